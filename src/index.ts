/** Public surface of the package: re-exports only. */

export { ConfigError, loadConfig, parseConfig } from "./config/load.ts";
export type { Config, Options } from "./config/options.ts";
export { createNode, type ElevenNode, type NodeOptions } from "./daemon.ts";
export { parseResolvConf, watchResolvConf } from "./forwarder/resolv-conf.ts";
export type * from "./model/types.ts";
export { RegistryError } from "./registry/error.ts";
export { type Applied, Registry } from "./registry/registry.ts";
export type { Policy } from "./scoping/policy.ts";
export type { Bound } from "./server/data-plane.ts";
