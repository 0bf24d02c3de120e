// Starts GraphiQL for the Boards API. The page loads React, ReactDOM, GraphiQL and graphqlWs as globals first, from the
// server itself or from a CDN; this file is the same in both cases.
"use strict";

(() => {
  // Relative, so that the page works on any host, port and path prefix.
  const endpoint = new URL("graphql", document.baseURI);
  endpoint.search = "";
  endpoint.hash = "";
  const socketEndpoint = new URL(endpoint);
  socketEndpoint.protocol = endpoint.protocol === "https:" ? "wss:" : "ws:";

  const tokenPlaceholder = "Bearer YOUR-TOKEN";
  const defaultHeaders = JSON.stringify({ Authorization: tokenPlaceholder, "X-Tenant": "default" }, null, 2);

  const examples = [
    {
      query: `# Who am I, and which boards may I work on?
#
# Put your token into "Headers" below. While it says
# YOUR-TOKEN, no Authorization header is sent: with
# BOARDS_AUTH_PROVIDER=none you are the one local user,
# else a visitor, who sees public boards only.
# A tab opened for the first time takes these headers.

query Me {
  me {
    id
    displayName
    email
  }
  myBoards(limit: 10) {
    id
    title
    isPublic
    generationCount
  }
}
`,
    },
    {
      query: `# 1. Run CreateBoard.
# 2. Put its id into "Variables" below, as boardId.
# 3. Run CreateGeneration. It answers at once; a worker
#    then makes the picture.

mutation CreateBoard($title: String!) {
  createBoard(input: { title: $title }) {
    id
    title
  }
}

mutation CreateGeneration(
  $boardId: UUID!
  $inputParams: JSON!
) {
  createGeneration(
    input: {
      boardId: $boardId
      generatorName: "pattern-image"
      artifactType: IMAGE
      inputParams: $inputParams
    }
  ) {
    id
    status
    progress
  }
}
`,
      variables: JSON.stringify(
        {
          title: "My first board",
          boardId: "00000000-0000-0000-0000-000000000000",
          inputParams: { prompt: "a calm sea at dawn", width: 512, height: 512 },
        },
        null,
        2,
      ),
    },
    {
      query: `# Follows a generation over a WebSocket until it ends.
# Put its id into "Variables" below.

subscription GenerationUpdated($id: UUID!) {
  generationUpdated(id: $id) {
    id
    status
    progress
    storageUrl
  }
}
`,
      variables: JSON.stringify({ id: "00000000-0000-0000-0000-000000000000" }, null, 2),
    },
  ];

  // The placeholder is a hint to the reader and no token: a server that checks tokens would refuse even the schema.
  function withoutPlaceholder(headers) {
    return Object.fromEntries(Object.entries(headers ?? {}).filter(([, value]) => value !== tokenPlaceholder));
  }

  function connectionParams(headers) {
    const params = {};
    for (const [name, value] of Object.entries(headers)) {
      if (name.toLowerCase() === "authorization") params.Authorization = value;
      if (name.toLowerCase() === "x-tenant") params["X-Tenant"] = value;
    }
    return params;
  }

  // One WebSocket for each subscription, because the headers of a connection cannot change once it is open.
  function fetcher(request, options) {
    const headers = withoutPlaceholder(options?.headers);
    const send = GraphiQL.createFetcher({
      url: endpoint.href,
      enableIncrementalDelivery: false,
      wsClient: graphqlWs.createClient({
        url: socketEndpoint.href,
        connectionParams: connectionParams(headers),
        retryAttempts: 0,
      }),
    });
    return send(request, { ...options, headers });
  }

  // A browser may forbid storage altogether; null makes GraphiQL do without.
  function tabStorage() {
    try {
      return window.sessionStorage;
    } catch {
      return null;
    }
  }

  function Playground() {
    const [headers, setHeaders] = React.useState(defaultHeaders);
    return React.createElement(
      GraphiQL,
      {
        fetcher,
        defaultTabs: examples,
        defaultHeaders: headers,
        onEditHeaders: setHeaders,
        defaultEditorToolsVisibility: "headers",
        // Kept for a reload, in the storage that the browser drops with its tab: a token must not stay behind.
        storage: tabStorage(),
        shouldPersistHeaders: true,
        showPersistHeadersSettings: false,
      },
      React.createElement(GraphiQL.Logo, null, "Boards"),
    );
  }

  const place = document.getElementById("playground");
  const missing = ["React", "ReactDOM", "GraphiQL", "graphqlWs"].filter((name) => !(name in window));
  if (missing.length > 0) {
    const notice = document.createElement("p");
    notice.className = "notice";
    notice.textContent =
      `GraphiQL could not be loaded (${missing.join(", ")} missing). This page takes it from cdn.jsdelivr.net; ` +
      "a server built with --features playground brings it along. The API itself works without.";
    place.replaceChildren(notice);
    return;
  }
  ReactDOM.createRoot(place).render(React.createElement(Playground));
})();
