/** A look at what others may have changed in a namespace. It costs little, so that whoever keeps something there can look often. */
import { inNetns } from "./netns.ts";

/** What is another value once somebody has changed something; called in the namespace. */
export type Look = () => unknown;

/** What is seen in the namespace at `netns` (missing: this thread's), to be compared with the last time; undefined if it is gone. */
export function lookInto(netns: string | undefined, looks: readonly Look[]): string | undefined {
  try {
    return inNetns(netns, () => looks.map((look) => look()).join("\n"));
  } catch {
    return undefined; // whoever then reads what is there finds out why
  }
}
