/** What a check says of a machine, and what it looks at. Checks are pure: a machine can be played. */

export interface Finding {
  readonly check: string;
  /** "problem": something will not work. "warning": it works now, or for some. "unknown": it could not be looked at. */
  readonly state: "ok" | "warning" | "problem" | "unknown";
  /** What there is. */
  readonly found: string;
  /** What to do about it: a command, or a sentence. */
  readonly fix?: string;
}

export type Check = (machine: Machine) => Finding | Promise<Finding>;

/** Nothing of it throws: what can't be read is not there. */
export interface Machine {
  readonly platform: string;
  /** "20.19.4". */
  readonly node: string;
  readonly root: boolean;
  /** A small file's text; undefined if it can't be read. */
  read(path: string): string | undefined;
  isThere(path: string): boolean;
  owner(path: string): Owner | undefined;
  /** Names of the programs that run. */
  readonly running: ReadonlySet<string>;
  /** Why system calls can't be made. */
  readonly noCalls: string | undefined;
  /** Why this backend does not work, tried in a namespace of its own; undefined if it does. Rejects if it can't be tried. */
  backendProblem(name: "ipvs" | "nftables"): Promise<string | undefined>;
}

export interface Owner {
  readonly uid: number;
  /** Permission bits. */
  readonly mode: number;
  readonly directory: boolean;
}

/** Short forms for the checks. */
export const ok = (check: string, found: string): Finding => ({ check, state: "ok", found });
export const warning = (check: string, found: string, fix: string): Finding => ({
  check,
  state: "warning",
  found,
  fix,
});
export const problem = (check: string, found: string, fix: string): Finding => ({
  check,
  state: "problem",
  found,
  fix,
});
export const unknown = (check: string, found: string, fix?: string): Finding => ({
  ...{ check, state: "unknown", found },
  ...(fix !== undefined && { fix }),
});
