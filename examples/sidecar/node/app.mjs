// Stock: says who asks for goods, and has the warehouse reserve them, for itself and not for the customer.
//
// Who calls, and as whom it calls others, is the business of the sidecar beside it: there is no word of it here.

import http from "node:http";

const warehouse = process.env.WAREHOUSE_URL ?? "http://127.0.0.1:15002";

function reserve(number) {
  return new Promise((resolve) => {
    const request = http.get(`${warehouse}/reserve/${number}`, (response) => {
      let text = "";
      response.on("data", (part) => (text += part));
      response.on("end", () => resolve(response.statusCode === 200 ? JSON.parse(text) : { status: response.statusCode }));
    });
    request.on("error", (error) => resolve({ status: 0, error: String(error) }));
  });
}

const server = http.createServer(async (request, response) => {
  const number = request.url.split("/").pop();
  const document = {
    goods: number,
    customer: request.headers["x-user-id"] ?? null,
    warehouse: request.url === "/health" ? null : await reserve(number),
  };
  const body = JSON.stringify(document);
  response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(body) });
  response.end(body);
});

server.listen(Number(process.env.PORT), "127.0.0.1");
