/** The backends there are: the one table that the config's schema, "auto" and the docs go by. */
import type { BackendName } from "../../model/backends.ts";
import type { LbBackend } from "./backend.ts";
import type { Found } from "./common/found.ts";
import { DryRunBackend } from "./dry-run.ts";
import { IpvsBackend } from "./ipvs/backend.ts";
import { NftablesBackend } from "./nftables/backend.ts";

export interface BackendOptions {
  /** Remembers what the kernel's settings were before us. */
  readonly found: Found;
}

export interface BackendEntry {
  /** For people: docs/load-balancing.md has the same line. */
  readonly how: string;
  readonly create: (options: BackendOptions) => LbBackend;
  /** False: taken only where it is asked for by name. */
  readonly auto?: false;
}

/** In the order in which "auto" tries them. */
export const BACKENDS: Readonly<Record<BackendName, BackendEntry>> = {
  ipvs: {
    how: "as Docker: a mark for each VIP, IPVS by mark, another source; in a table of our own",
    create: (options) => new IpvsBackend(options),
  },
  nftables: {
    how: "one table of our own per namespace; verdict maps by VIP, numgen or a hash among tasks",
    create: (options) => new NftablesBackend(options),
  },
  "dry-run": {
    how: "prints the commands that a person could run",
    create: () => new DryRunBackend(),
    auto: false,
  },
};
