/** Which options of a config are in force at once, and which wait for a restart. */
import type { Options } from "../config/options.ts";

/** Upstreams are followed live; whatever else is another takes a restart. In the words of the file. */
export function needRestart(inForce: Options, wanted: Options): string[] {
  const [had, has] = [words(inForce), words(wanted)];
  return Object.keys(has).filter((word) => JSON.stringify(had[word]) !== JSON.stringify(has[word]));
}

function words(options: Options): Readonly<Record<string, unknown>> {
  const { compat, ttl, hostnames, forwarder, workers, transport, stateDir, balance, control } = options;
  return {
    compat,
    ttl,
    hostnames,
    "forwarder.cache": forwarder.cache,
    "forwarder.max_in_flight": forwarder.maxInFlight,
    node: balance?.node,
    "balance.backend": balance?.backend ?? "none",
    "balance.placement": balance?.placement,
    "balance.idle": balance?.idle,
    "balance.networks": balance?.networks,
    "balance.mesh": balance?.mesh,
    workers,
    transport,
    state_dir: stateDir,
    control,
  };
}
