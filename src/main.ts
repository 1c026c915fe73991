#!/usr/bin/env node
/** The `eleven` command's first moments: what must hold before anything else is loaded. */
import { refuseDebugger } from "./commands/debugger.ts";

const { look } = refuseDebugger();
const { command } = await import("./commands/command.ts");
look();

const code = await command(process.argv.slice(2));
process.exitCode ||= code;
