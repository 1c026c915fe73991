/** A config into an empty registry, as `eleven config check` does it: what the registry refuses is a ConfigError. */
import { applyDraft } from "../../src/agent/problems.ts";
import type { Config } from "../../src/config/options.ts";
import type { Registry } from "../../src/registry/registry.ts";

export const applyConfig = (registry: Registry, config: Config): void =>
  applyDraft(registry, { config, problems: [], left: () => false });
