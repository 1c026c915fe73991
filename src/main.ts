#!/usr/bin/env node
/** The `eleven` command's first moments: what must hold before anything else is loaded. */
import { refuseDebugger } from "./commands/debugger.ts";

const { look } = refuseDebugger();
const { command } = await import("./commands/command.ts");
look();

// A command ends when it says so: the threads that answer keep nothing alive, and a file may have no sandbox that listens yet.
const held = setInterval(() => {}, 2 ** 30);
const words = process.argv.slice(2);
// As a CNI plugin it is started without words (docs/cni.md).
const code = await command(words.length === 0 && process.env["CNI_COMMAND"] !== undefined ? ["cni"] : words);
clearInterval(held);
process.exitCode ||= code;
