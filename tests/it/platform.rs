//! Tenants as a whole: what operators of the platform do over REST and in a shell, tenants that
//! people register, and how a tenant goes.

mod command;
mod deletion;
mod registration;
mod setup;

use reqwest::{Method, Response};
use serde_json::Value;

use crate::support::{Client, TestApp, TestAppBuilder};

const TENANTS: &str = "/api/setup/tenants";
const REGISTER: &str = "/api/tenants/register";

/// Many tenants, `one` and `two`, which everyone may join.
fn platform() -> TestAppBuilder {
    TestApp::builder().tenants(&["one", "two"])
}

fn operator(app: &TestApp) -> Client {
    app.user_with_scope("operator", "platform:admin")
}

fn at(slug: &str) -> String {
    format!("{TENANTS}/{slug}")
}

async fn send(client: &Client, method: Method, path: &str, body: &Value) -> Response {
    client.request(method, path).json(body).send().await.expect("an answer")
}

/// Status and body of an answer.
async fn read(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    (status, response.json().await.expect("JSON"))
}

async fn get(client: &Client, path: &str) -> (u16, Value) {
    read(client.get(path).send().await.expect("an answer")).await
}

async fn post(client: &Client, path: &str, body: &Value) -> (u16, Value) {
    read(send(client, Method::POST, path, body).await).await
}

async fn patch(client: &Client, path: &str, body: &Value) -> (u16, Value) {
    read(send(client, Method::PATCH, path, body).await).await
}

async fn delete(client: &Client, path: &str, body: &Value) -> (u16, Value) {
    read(send(client, Method::DELETE, path, body).await).await
}

/// The status and the code of a refusal.
fn refusal((status, body): &(u16, Value)) -> (u16, &str) {
    (*status, body["error"].as_str().unwrap_or_else(|| panic!("no refusal: {status} {body}")))
}
