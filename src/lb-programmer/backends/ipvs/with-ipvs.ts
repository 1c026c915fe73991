/** Work with IPVS in a target's namespace, and what a kernel without it says. */
import { existsSync } from "node:fs";
import { OsError } from "../../../os/error.ts";
import type { LbTarget } from "../../state.ts";
import { LbError } from "../backend.ts";
import { inside } from "../common/failure.ts";

export function withIpvs<T>(target: LbTarget, work: () => T): T {
  return inside(target, "IPVS", () => {
    try {
      return work();
    } catch (error) {
      if (error instanceof OsError && error.op === NO_FAMILY && error.code === "ENOENT")
        throw new LbError("missing", target, NO_IPVS);
      throw error;
    }
  });
}

export const hasIpvs = (target: LbTarget): boolean => withIpvs(target, () => existsSync("/proc/thread-self/net/ip_vs"));

export const NO_IPVS = "this kernel has no IPVS (its module ip_vs is not there or not loaded)";

/** What asks the kernel for IPVS. Services and destinations that are not there are ENOENT, too. */
const NO_FAMILY = "netlink family";
