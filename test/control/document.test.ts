/** The OpenAPI document: is one, and says what is so. As many requests as there is time for are in test/fuzz/control.test.ts. */
import { Validator } from "@seriousme/openapi-schema-validator";
import { expect, test } from "vitest";
import { tryInvalid, tryValid } from "./from-document.ts";
import { operationsOf } from "./generated.ts";
import { ask, served } from "./served.ts";

test("it is an OpenAPI 3.1 document, and says all that there is", async () => {
  const { socket } = await served();
  const { body, headers } = await ask(socket, "GET /openapi.json");
  expect(headers["content-type"]).toBe("application/json");
  const validator = new Validator();
  expect(await validator.validate(structuredClone(body))).toMatchObject({ valid: true });
  expect(validator.version).toBe("3.1");
  expect(() => validator.resolveRefs()).not.toThrow();
  expect(body.openapi).toBe("3.1.0");
  const ids = Object.values<Record<string, { operationId: string }>>(body.paths).flatMap((path) =>
    Object.values(path).map((o) => o.operationId),
  );
  expect(new Set(ids).size).toBe(ids.length);
  expect(
    operationsOf(body)
      .map(({ method, path }) => `${method} ${path}`)
      .filter((line) => !/(networks|tasks|containers)/.test(line)),
  ).toEqual([
    "GET /openapi.json",
    "GET /v1/status",
    "POST /v1/changes",
    "GET /v1/wait",
    "POST /v1/reload",
    "GET /v1/sandboxes/{name}/query",
    "GET /v1/upstreams",
    "GET /v1/sandboxes/{name}/explain",
    "GET /v1/balance/diff",
    "POST /v1/balance/repair",
    "GET /v1/balance",
    "GET /v1/balance/{name}",
    "POST /v1/cache/flush",
    "GET /v1/services",
    "GET /v1/services/{name}",
    "PUT /v1/services/{name}",
    "PATCH /v1/services/{name}",
    "DELETE /v1/services/{name}",
    "GET /v1/sandboxes",
    "GET /v1/sandboxes/{name}",
    "PUT /v1/sandboxes/{name}",
    "PATCH /v1/sandboxes/{name}",
    "DELETE /v1/sandboxes/{name}",
  ]);
});

test("500 requests as it allows are accepted, or refused with a reason", async () => {
  const { byStatus } = await tryValid(500, 1);
  expect([...byStatus.keys()]).toEqual(expect.arrayContaining([200, 201, 400, 404, 412]));
});

test("500 that break it in one place are refused with a reason", async () => {
  await tryInvalid(500, 1);
});
