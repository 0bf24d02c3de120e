//! Files: sending them to the server, and looking at what the server has on disk.

use std::path::{Path, PathBuf};

use reqwest::{
    Response,
    multipart::{Form, Part},
};
use serde_json::Value;

use super::{Client, TestApp};

impl Client {
    /// Sends a form to POST /api/uploads/artifact.
    pub(crate) async fn send_form(&self, form: Form) -> Response {
        self.post("/api/uploads/artifact").multipart(form).send().await.expect("an answer")
    }

    /// Puts a file on a board; the answer, which must be 200.
    pub(crate) async fn upload(&self, board: &str, kind: &str, bytes: Vec<u8>) -> Value {
        self.upload_form(upload_form(board, kind, bytes)).await
    }

    /// Puts a text on a board, made from another generation; its id.
    pub(crate) async fn upload_child(&self, board: &str, parent: &str) -> String {
        let form = upload_form(board, "text", b"a text".to_vec())
            .text("parent_generation_id", parent.to_owned());
        super::text(&self.upload_form(form).await["id"])
    }

    /// Puts a text on a board; its id.
    pub(crate) async fn upload_text(&self, board: &str, content: &str) -> String {
        super::text(&self.upload(board, "text", content.as_bytes().to_vec()).await["id"])
    }

    async fn upload_form(&self, form: Form) -> Value {
        let response = self.send_form(form).await;
        let status = response.status();
        let answer: Value = response.json().await.expect("JSON");
        assert_eq!(status, 200, "{answer}");
        answer
    }
}

/// The form of an upload, complete.
pub(crate) fn upload_form(board: &str, kind: &str, bytes: Vec<u8>) -> Form {
    Form::new()
        .text("board_id", board.to_owned())
        .text("artifact_type", kind.to_owned())
        .part("file", Part::bytes(bytes).file_name("file"))
}

impl TestApp {
    /// The folder of stored artifacts.
    pub(crate) fn storage(&self) -> &Path {
        self.config.storage_url.directory().expect("a folder")
    }

    /// All files that are stored or on their way.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        files_below(self.storage(), &mut files);
        files_below(&self.config.data_dir.join("staging"), &mut files);
        files
    }
}

fn files_below(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.expect("readable").path()) {
        if path.is_dir() { files_below(&path, files) } else { files.push(path) }
    }
}
