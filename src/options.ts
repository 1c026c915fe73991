/** Check of what `createNode` is given, before anything is opened: nothing unknown, everything of its type. */
import { z } from "zod";
import type { LbBackend } from "./lb-programmer/backends/backend.ts";
import { isDevice } from "./lb-programmer/backends/common/typed.ts";
import type { BalanceOptions } from "./lb-programmer/order/options.ts";
import { addressBytes } from "./model/address.ts";
import { BACKEND_NAMES } from "./model/backends.ts";
import { instead, type Place, pathText, tellIssues } from "./model/issues.ts";
import { fieldsBelow } from "./model/schema.ts";
import type { Upstream } from "./model/types.ts";
import type { NodeOptions } from "./node/options.ts";
import type { Store } from "./registry/stores/store.ts";

/** An option that is none, or of the wrong type. Nothing has been opened or changed. */
export class OptionsError extends Error {
  readonly code = "options";
  /** "policy.ttl.stable"; "" if it is about all of them. */
  readonly path: string;

  constructor(path: string, message: string, op = "createNode") {
    super(`${op}: ${path === "" ? "options" : path} ${message}`);
    this.name = "OptionsError";
    this.path = path;
  }
}

/** The options as they were given, without what is undefined in the policy, where defaults are filled in. Throws an OptionsError. */
export function checkNodeOptions(given: NodeOptions): NodeOptions {
  const { success, error } = nodeOptionsSchema.safeParse(given);
  if (!success) throw optionsError(given, error, (place) => fieldsBelow(nodeOptionsSchema, place));
  if (given.policy === undefined) return given;
  return { ...given, policy: Object.fromEntries(Object.entries(given.policy).filter(([, v]) => v !== undefined)) };
}

/** Upstreams that a node is given later; throws an OptionsError. */
export function checkUpstreams(upstreams: readonly Upstream[]): void {
  const given = { upstreams };
  const { success, error } = upstreamsSchema.safeParse(given);
  if (!success) throw optionsError(given, error, (place) => fieldsBelow(upstreamsSchema, place), "setUpstreams");
}

function optionsError(given: unknown, error: z.ZodError, known: (place: Place) => string[], op?: string): OptionsError {
  const issues = tellIssues(error.issues, { list: "a list", object: "an object" });
  const { place, message, key } = issues.find((issue) => issue.key) ?? issues[0]!;
  if (key)
    return new OptionsError(pathText(place), `is no option; there are ${known(place.slice(0, -1)).join(", ")}`, op);
  const what = instead(message, given, place);
  return new OptionsError(pathText(place), what, op);
}

const address = z.string().refine((text) => addressBytes(text) !== undefined, "must be an IP address");
const seconds = z.int().min(0).max(2_147_483_647);
const name = z.string().min(1);

/** A link-local address has a scope, as resolv.conf says it ("fe80::1%eth0"): it means nothing without it. */
const SCOPE = /(?<=^fe[89ab].*)%.+$/i;

const upstream = z.strictObject({
  address: z.string().refine((text) => addressBytes(text.replace(SCOPE, "")) !== undefined, "must be an IP address"),
  port: z.int().min(1).max(65_535),
  domains: z.array(z.string()).optional(),
  host: z.boolean().optional(),
  netns: name.optional(),
});

const upstreamsSchema = z.strictObject({ upstreams: z.array(upstream) });

const device = z.string().refine(isDevice, "must be an interface's name: 1 to 15 visible ASCII characters");
const ips = { ip4: address.optional(), ip6: address.optional() };

/** The kernel counts in ticks of a millisecond at the least, in 31 bits. */
const idle = z.int().min(1).max(2_147_483).optional();

const NAMES: readonly string[] = ["auto", ...BACKEND_NAMES];
const METHODS = ["probe", "read", "apply", "connections", "clear"] as const satisfies (keyof LbBackend)[];
const isBackend = (given: unknown): boolean => {
  const backend = (given ?? {}) as Readonly<Record<string, unknown>>;
  return typeof backend["name"] === "string" && METHODS.every((method) => typeof backend[method] === "function");
};

const STORE_METHODS = ["open", "write", "close"] as const satisfies (keyof Store)[];
const isStore = (given: unknown): boolean =>
  STORE_METHODS.every((method) => typeof ((given ?? {}) as Readonly<Record<string, unknown>>)[method] === "function");

const balance = z.strictObject({
  backend: z
    .custom<NonNullable<BalanceOptions["backend"]>>(
      (given) => NAMES.includes(given as string) || isBackend(given),
      `must be ${NAMES.map((n) => `"${n}"`).join(", ")} or a backend (name, ${METHODS.join(", ")})`,
    )
    .optional(),
  placement: z.enum(["sandbox", "network"]).optional(),
  node: name.optional(),
  idle: z.strictObject({ tcp: idle, udp: idle }).optional(),
  networks: z.array(z.strictObject({ network: name, netns: name.optional(), device, ...ips })).optional(),
  mesh: z
    .strictObject({
      ingress: z.strictObject({ netns: name.optional(), device, ...ips }),
      host: z.strictObject({
        netns: name.optional(),
        bridge: device,
        to4: address.optional(),
        to6: address.optional(),
      }),
    })
    .optional(),
});

export const nodeOptionsSchema = z.strictObject({
  policy: z
    .strictObject({
      compat: z.enum(["none", "docker"]).optional(),
      ttl: z.strictObject({ stable: seconds, dynamic: seconds, negative: seconds }).optional(),
      hostnames: z.boolean().optional(),
      upstreams: z.array(upstream).optional(),
      ndots: z.boolean().optional(),
    })
    .optional(),
  forwarder: z
    .strictObject({
      maxInFlight: z.int().min(1).max(65_535).optional(),
      cache: z
        .union([
          z.literal(false),
          z.strictObject({ entries: z.int().min(0).optional(), bytes: z.int().min(0).optional() }),
        ])
        .optional(),
    })
    .optional(),
  id: z.string().optional(),
  workers: z.int().min(0).max(64).optional(),
  transport: z.enum(["batched", "dgram"]).optional(),
  balance: balance.optional(),
  keepSockets: z.boolean().optional(),
  stateDir: name.optional(),
  store: z.custom<Store>(isStore, `must be a store (${STORE_METHODS.join(", ")})`).optional(),
  onNotice: z.custom<NodeOptions["onNotice"]>((given) => typeof given === "function", "must be a function").optional(),
});
