/** Sandboxes: who asks, and where. A sandbox may come before the container or task that it belongs to. */
import { canonicalAddress, parseCidr } from "../model/address.ts";
import type { Listen, Sandbox, SandboxId } from "../model/types.ts";
import { RegistryError } from "./error.ts";
import type { Step } from "./reduce.ts";
import { same } from "./same.ts";

export function putSandbox(step: Step, sandbox: Sandbox): Sandbox | undefined {
  const { state, undo, touched } = step;
  const before = state.sandboxes.get(sandbox.id);
  if (same(before, sandbox)) return undefined;
  for (const upstream of sandbox.upstreams ?? []) {
    if (canonicalAddress(upstream.address) === undefined)
      throw invalid(sandbox, `upstream "${upstream.address}" is no IP address`);
  }
  if (before !== undefined) release(step, before);
  for (const listen of sandbox.listen) claim(step, sandbox, listen);
  undo.set(state.sandboxes, sandbox.id, sandbox);
  touched.sandboxes.add(sandbox.id);
  return sandbox;
}

export function removeSandbox(step: Step, id: SandboxId): boolean {
  const sandbox = step.state.sandboxes.get(id);
  if (sandbox === undefined) return false;
  release(step, sandbox);
  step.undo.delete(step.state.sandboxes, id);
  step.touched.sandboxes.add(id);
  return true;
}

function claim({ state, undo }: Step, sandbox: Sandbox, { address, port, source }: Listen): void {
  if (canonicalAddress(address) === undefined) throw invalid(sandbox, `listen address "${address}" is no IP address`);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw invalid(sandbox, `listen port ${port} is not in 0-65535`);
  const wrong = source?.find((s) => canonicalAddress(s) === undefined && parseCidr(s) === undefined);
  if (wrong !== undefined) throw invalid(sandbox, `source "${wrong}" is no IP address and no range`);
  if (port === 0) return;
  const key = `${address} ${port}`;
  const others = state.listeners.get(key);
  for (const [other, theirs] of others ?? []) {
    if (source === undefined || theirs === undefined ? source === theirs : source.some((s) => theirs.includes(s))) {
      throw new RegistryError(
        "conflict",
        `sandbox ${sandbox.id}: sandbox ${other} listens on ${address} port ${port} for the same source`,
      );
    }
  }
  if (others === undefined) undo.set(state.listeners, key, new Map([[sandbox.id, source]]));
  else undo.set(others, sandbox.id, source);
}

function release({ state, undo }: Step, sandbox: Sandbox): void {
  for (const { address, port } of sandbox.listen) {
    const users = state.listeners.get(`${address} ${port}`);
    if (users === undefined) continue;
    undo.delete(users, sandbox.id);
    if (users.size === 0) undo.delete(state.listeners, `${address} ${port}`);
  }
}

const invalid = (sandbox: Sandbox, what: string): RegistryError =>
  new RegistryError("invalid", `sandbox ${sandbox.id}: ${what}`);
