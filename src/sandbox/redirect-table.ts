/**
 * The redirect as a table of nf_tables: one for each address and port, since sandboxes may share a namespace. What is in there may be
 * anything that a container has written: nothing of it is understood, it is compared, and a little of it only.
 */
import { familyOf } from "../model/address.ts";
import { errnoName, OsError } from "../os/error.ts";
import { patience } from "../os/held-up.ts";
import type { Netlink } from "../os/netlink/connection.ts";
import { hasTable, inTransaction, NFGENMSG, withNetfilter } from "../os/netlink/nfnetlink.ts";
import { MessageWriter } from "../os/netlink/write.ts";
import { writeBatch } from "../os/nftables/batch.ts";
import { FAMILY, type Family, NF_TABLES } from "../os/nftables/message.ts";
import type { Statement } from "../os/nftables/statement.ts";
import type { Chain, Change, Rule } from "../os/nftables/types.ts";

export interface Redirect {
  /** Path of the namespace. */
  readonly netns: string;
  readonly address: string;
  readonly port: number;
}

/** Of the sockets that are listening behind it. */
export type Ports = { readonly udp: number; readonly tcp: number };

const OP = "nf_tables";

/** In the namespace of this thread. */
export const hasRedirectTable = (at: Redirect): boolean => hasTable(FAMILY[familyAt(at)], table(at));

/** As the kernel shows it: table, chains and rules, in octets. Empty if one of them is missing, or there is more than we ever wrote. */
export function presentTable(at: Redirect): string {
  try {
    return withNetfilter(at.netns, (netlink) => {
      const shown = [
        netlink.ask(
          OP,
          asking("GETTABLE", at, (to) => to.text(1, table(at))),
        ),
        ...CHAINS.map(({ name }) =>
          netlink.ask(
            OP,
            asking("GETCHAIN", at, (to) => to.text(1, table(at)).text(3, name)),
          ),
        ),
        ...netlink.dump(
          OP,
          asking("GETRULE", at, (to) => to.text(1, table(at))),
          (rule) => rule,
          LIMITS,
        ),
      ];
      return shown.map((octets) => octets.toString("latin1", NFGENMSG)).join(""); // before that is how often rules have changed
    });
  } catch {
    return "";
  }
}

/** What went wrong; undefined if nothing did. Replaces one that is there, in one step. */
export async function installTable(at: Redirect, ports: Ports): Promise<string | undefined> {
  const rules = (["udp", "tcp"] as const).flatMap((protocol) => rulesOf(at, protocol, ports[protocol]));
  return changed(at, [
    { kind: "table.add" },
    { kind: "table.delete" },
    { kind: "table.add" },
    ...CHAINS.map((chain): Change => ({ kind: "chain.add", chain })),
    ...rules.map((rule): Change => ({ kind: "rule.add", rule })),
  ]);
}

/** That there is none is fine. */
export async function removeTable(at: Redirect): Promise<void> {
  await changed(at, [{ kind: "table.delete" }]);
}

const LIMITS = { most: 65_536, longest: 100 };

const CHAINS: readonly Chain[] = [
  { name: "output", base: { type: "nat", hook: "output", priority: -100, policy: "accept" } },
  { name: "postrouting", base: { type: "nat", hook: "postrouting", priority: 100, policy: "accept" } },
];

const familyAt = ({ address }: Redirect): Exclude<Family, "inet"> => (familyOf(address) === 6 ? "ip6" : "ip");

const table = ({ address, port }: Redirect): string => `eleven_dns_${address.replace(/[^0-9a-f]/gi, "_")}_${port}`;

/** `ip daddr 127.0.0.11 udp dport 53 dnat to 127.0.0.11:40001`, and back. */
function rulesOf(at: Redirect, protocol: "udp" | "tcp", port: number): readonly Rule[] {
  const family = familyAt(at);
  const { address } = at;
  const match = (what: Extract<Statement, { kind: "match" }>["what"], is: string): Statement => ({
    kind: "match",
    what,
    is,
  });
  const carried = match("meta l4proto", protocol);
  const lead = (type: "dnat" | "snat", port: number): Statement => ({
    kind: "nat",
    type,
    family,
    to: { address, port },
  });
  return [
    {
      chain: "output",
      statements: [match(`${family} daddr`, address), carried, match("th dport", `${at.port}`), lead("dnat", port)],
    },
    {
      chain: "postrouting",
      statements: [match(`${family} saddr`, address), carried, match("th sport", `${port}`), lead("snat", at.port)],
    },
  ];
}

const asking = (
  type: keyof typeof NF_TABLES,
  at: Redirect,
  attributes: (to: MessageWriter) => unknown,
): MessageWriter => new MessageWriter().message(NF_TABLES[type], 0, [FAMILY[familyAt(at)], 0, 0, 0], attributes);

/** What the kernel has against it, all of which is undone then. */
async function changed(at: Redirect, changes: readonly Change[]): Promise<string | undefined> {
  try {
    const batch = writeBatch(table(at), changes, undefined, familyAt(at));
    const refusals = await transacted(at, (netlink) => netlink.transact(OP, batch.messages));
    for (const [i, { errno, why }] of refusals)
      return `${OP}: ${changes[batch.changes[i]!]?.kind ?? "batch"}: ${errnoName(errno)}${why && ` (${why})`}`;
    return undefined;
  } catch (error) {
    if (error instanceof OsError) return error.message;
    throw error;
  }
}

/** A transaction of the container's may have to be waited for: not in this thread, and not for long. */
const transacted = <T>({ netns }: Redirect, work: (netlink: Netlink) => Promise<T>): Promise<T> =>
  inTransaction(netns, { own: false, longest: patience(netns, LONGEST) }, work);

/** Milliseconds. */
const LONGEST = 10_000;
