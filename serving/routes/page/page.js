// Asks for a token where one is needed, reads the contract with it, and lets Swagger UI draw the rest.
"use strict";

const form = document.getElementById("sign-in");
const message = document.getElementById("message");

async function show(token) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const answer = await fetch("/openapi.json", { headers });
  if (!answer.ok) {
    const problem = await answer.json();
    message.textContent = `${problem.status}: ${problem.detail}`;
    return;
  }
  form.hidden = true;
  const ui = SwaggerUIBundle({
    spec: await answer.json(),
    dom_id: "#api",
    deepLinking: true,
    tryItOutEnabled: true,
    validatorUrl: null,
    onComplete: () => token && ui.preauthorizeApiKey("token", token),
  });
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  show(document.getElementById("token").value.trim());
});

fetch("/docs/settings.json").then((answer) => answer.json()).then((settings) => {
  if (settings.auth) form.hidden = false;
  else show("");
});
