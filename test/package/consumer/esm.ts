/** What a program of somebody else writes: every entry, and what it gets from them, by name. */
import { createNode, type ElevenNode, type NodeOptions, RegistryError, type Store } from "eleven-dns";
import {
  createReconciler,
  type LbBackend,
  NftablesBackend,
  type Reconciler,
  type TargetStatus,
} from "eleven-dns/backends";
import { type Case, FakeBackend, storeCases } from "eleven-dns/testing";

const backend: LbBackend = new FakeBackend();
const options: NodeOptions = {
  balance: { backend },
  workers: 0,
  onNotice: (message: string) => console.error(message),
};
export const node: ElevenNode = createNode(options);
export const status: readonly TargetStatus[] = node.balance;
export const answer: ElevenNode["answer"] = node.answer.bind(node);
export const reconciler: Reconciler = createReconciler({
  backend: new NftablesBackend(),
  plan: () => new FakeBackend().state("x"),
});
export const cases = (create: () => Promise<Store>): readonly Case[] => storeCases(create);
export const refused = (error: unknown): string => (error instanceof RegistryError ? error.code : "another");
