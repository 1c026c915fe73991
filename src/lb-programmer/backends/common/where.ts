/** By what a backend remembers a namespace: another may have come to be under the same name, or another name have the same. */
import type { LbTarget } from "../../state.ts";

export const whereOf = ({ id, netns }: LbTarget): string => `${id} ${netns ?? ""}`;
