/** What the API says is wrong (RFC 9457), as text for people and an exit code for scripts. */

import { EXIT, type ExitCode, Failure } from "../exit.ts";
import type { Json } from "../text/json.ts";
import { plain, plainLines } from "../text/plain.ts";

/** The API was reached, and has refused. */
export class Refusal extends Failure {
  readonly status: number;

  constructor(code: ExitCode, message: string, status: number) {
    super(code, message);
    this.status = status;
  }
}

/** `body` is undefined if it was no JSON object. */
export function problemFailure(status: number, body: Json | undefined): Refusal {
  const { detail, title, errors, type } = body ?? {};
  const about = [detail, title].find((text) => typeof text === "string" && text !== "");
  const lines = [plainLines(`${about ?? `eleven agent answers ${status}, and does not say why`}`)];
  for (const error of Array.isArray(errors) ? errors : []) lines.push(...errorLine(error as Json, `${about}`));
  return new Refusal(exitCode(status, `${type ?? ""}`), lines.join("\n"), status);
}

/** "  /ports/0/target: must be ...", of config files "  /etc/eleven.yaml:3:5: ..."; what the detail has said is not said again, only where, if it did not say that, too. */
function errorLine({ pointer, place: file, detail }: Json, said: string): string[] {
  const place = plain(([pointer, file].find((where) => typeof where === "string") as string | undefined) ?? "");
  if (typeof detail === "string" && said.endsWith(` ${detail}`)) return [];
  if (detail === said) return place === "" ? [] : [`  at ${place}`];
  return [`  ${place === "" ? "" : `${place}: `}${plain(`${detail ?? "is wrong"}`)}`];
}

/** What was sent is not what the API takes; others (gone, busy, ending) are nobody's fault. */
const WRONG: ReadonlySet<number> = new Set([400, 405, 413, 415, 422]);

function exitCode(status: number, type: string): ExitCode {
  if (type.endsWith(":exhausted")) return EXIT.failed;
  if (status === 404) return EXIT.unknown;
  if (status === 409 || status === 412) return EXIT.conflict;
  return WRONG.has(status) ? EXIT.wrong : EXIT.failed;
}
