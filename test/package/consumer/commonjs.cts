/** A CommonJS program: Node 20.19 and later give it the same module. */
import { createNode, type ElevenNode } from "eleven-dns";
import { NftablesBackend } from "eleven-dns/backends";
import { FakeBackend } from "eleven-dns/testing";

const node: ElevenNode = createNode({ workers: 0 });
console.log(`revision ${node.apply([])}, ${new FakeBackend().name}, ${new NftablesBackend().name}`);
void node.close();
