/** When a task or container is in the answers. The load balancer goes by the same rule. */
import type { Container, Service, Task } from "./types.ts";

/**
 * Running and not failing its health check; with `publish: starting` also before that, for peers that must find each other
 * first. A paused one counts as running, as in Docker; draining and stopped ones never answer.
 */
export function answering({ state, health }: Task, { publish }: Service): boolean {
  if (state === "draining" || state === "stopped" || health === "unhealthy") return false;
  return publish === "starting" || (state !== "starting" && health !== "starting");
}

/** Plain containers have names while they run, healthy or not. */
export const containerAnswers = ({ state }: Container): boolean => state === "running" || state === "paused";
