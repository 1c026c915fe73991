/** Sandboxes: who asks, and where. A sandbox comes to a container or task that is there, and may outlive it. */
import { canonicalAddress, canonicalRange } from "../model/address.ts";
import { netnsPath } from "../model/netns.ts";
import { brief } from "../model/quote.ts";
import { same } from "../model/same.ts";
import type { FileBeneath, Listen, Sandbox, SandboxId } from "../model/types.ts";
import { RegistryError } from "./error.ts";
import { checkSpacedName } from "./names.ts";
import type { State } from "./state.ts";
import type { Step } from "./step.ts";
import { checkedUpstreams } from "./upstreams.ts";

export function putSandbox(step: Step, given: Sandbox): Sandbox | undefined {
  const { state, undo, touched } = step;
  checkSpacedName("sandbox", given.id, "id");
  const before = state.sandboxes.get(given.id);
  const upstreams = checkedUpstreams(`sandbox ${brief(given.id)}`, given.upstreams);
  if (given.netns === undefined && given.bind === "redirect")
    throw invalid(given, "bind: redirect needs a netns", "bind");
  if (given.netns === undefined && given.resolvConf !== undefined)
    throw invalid(given, "resolvConf needs a netns", "resolvConf");
  if (given.resolvConf !== undefined) checkFile(given, given.resolvConf);
  const sandbox: Sandbox = {
    ...given,
    ...(given.netns !== undefined && { netns: netnsPath(given.netns) }),
    listen: given.listen.map((l, i) => canonical(given, l, `listen[${i}]`)),
    ...(upstreams && { upstreams }),
  };
  if (same(before, sandbox)) return undefined;
  if (before !== undefined) releaseSandbox(step, before);
  for (const key of sandbox.listen.flatMap((l) => keys(sandbox, l))) {
    const other = state.listeners.get(key);
    if (other !== undefined) throw taken(sandbox, key, other);
    undo.set(state.listeners, key, sandbox.id);
  }
  if (before === undefined || !same(before.member, sandbox.member)) step.joined.set(sandbox.id, step.index);
  undo.set(state.sandboxes, sandbox.id, sandbox);
  touched.sandboxes.add(sandbox.id);
  return sandbox;
}

/** Whether the member that a sandbox came to is there. It may go before its sandbox does. */
export function checkMember(state: State, id: SandboxId): void {
  const member = state.sandboxes.get(id)?.member;
  if (member === undefined || (member.kind === "task" ? state.tasks : state.containers).has(member.id)) return;
  const message = `sandbox ${brief(id)}: there is no ${member.kind} "${brief(member.id)}"; put it before, or in the same batch`;
  throw new RegistryError("unknown", message, "member.id");
}

/** Addresses as everyone writes them, so that equal ones are seen to be equal. */
function canonical(sandbox: Sandbox, { address, port, source }: Listen, path: string): Listen {
  const canonicalListen = canonicalAddress(address);
  if (canonicalListen === undefined)
    throw invalid(sandbox, `listen address "${brief(address)}" is no IP address`, `${path}.address`);
  const sources = source?.map((text, i) => {
    const known = canonicalRange(text);
    if (known === undefined)
      throw invalid(sandbox, `source "${brief(text)}" is no IP address and no range`, `${path}.source[${i}]`);
    return known;
  });
  return { address: canonicalListen, port, ...(sources && { source: sources }) };
}

/** A file that is reached without links has a path without detours. */
function checkFile(sandbox: Sandbox, file: string | FileBeneath): void {
  const { root, path } = typeof file === "string" ? { root: "/", path: file.slice(1) } : file;
  if (!root.startsWith("/")) throw invalid(sandbox, `resolvConf: root "${brief(root)}" is not absolute`, "resolvConf");
  if (typeof file === "string" && !file.startsWith("/"))
    throw invalid(sandbox, `resolvConf "${brief(file)}" is not absolute`, "resolvConf");
  if (path.split("/").some((part) => part === "" || part === "." || part === ".."))
    throw invalid(
      sandbox,
      `resolvConf: "${brief(path)}" must be names with one "/" between them, below its root`,
      "resolvConf",
    );
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these it is about
  if (/[\x00-\x1f\x7f]/.test(root + path))
    throw invalid(sandbox, "resolvConf has control characters in it", "resolvConf");
}

/** What a listener occupies; port 0 is a free port each time. */
function keys({ netns }: Sandbox, { address, port, source = [] }: Listen): string[] {
  if (port === 0) return [];
  const place = netns === undefined ? "" : ` ${netns}`;
  return (source.length > 0 ? source : ["any"]).map((s) => `${address} ${port} ${s}${place}`);
}

export function releaseSandbox({ state, undo }: Step, sandbox: Sandbox): void {
  for (const key of sandbox.listen.flatMap((l) => keys(sandbox, l))) undo.delete(state.listeners, key);
}

function taken(sandbox: Sandbox, key: string, other: SandboxId): RegistryError {
  const [address, port, source] = key.split(" ");
  return new RegistryError(
    "conflict",
    `sandbox ${brief(sandbox.id)}: sandbox ${brief(other)} listens on ${address} port ${port} for the same source (${source})`,
    "listen",
  );
}

const invalid = (sandbox: Sandbox, what: string, path: string): RegistryError =>
  new RegistryError("invalid", `sandbox ${brief(sandbox.id)}: ${what}`, path);
