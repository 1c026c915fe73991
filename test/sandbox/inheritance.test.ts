/** Sockets that are left with a service manager. */
import { expect, test } from "vitest";
import { libcProblem } from "../../src/os/libc.ts";
import { Inheritance } from "../../src/sandbox/inheritance.ts";

test.skipIf(libcProblem() !== undefined)("a manager that does not listen is said, and stops nothing", () => {
  const notices: string[] = [];
  const inheritance = new Inheritance("/nonexistent/notify", new Map(), (notice) => notices.push(notice));
  const name = inheritance.leave({ address: "127.0.0.1", port: 53 }, {}, { udp: 0, tcp: 0 }, false);
  inheritance.forget(name);
  inheritance.ready();
  expect(new Set(notices)).toEqual(
    new Set(["the service manager can't be told anything: sendmsg /nonexistent/notify: ENOENT"]),
  );
});
