/** What can stand behind a VIP, by name. What each of them is, and what "auto" takes, says lb-programmer/backends/table.ts. */

export const BACKEND_NAMES = ["ipvs", "nftables", "dry-run"] as const;

export type BackendName = (typeof BACKEND_NAMES)[number];
