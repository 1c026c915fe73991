/**
 * The config that is in force, and how it becomes another one: a reload is one batch, all of it or (with every reason) nothing. An edit
 * that is refused leaves everything as it was, and is remembered until there is a good one.
 */
import { type FileText, readFiles, readOnce } from "../config/files.ts";
import { type Draft, draftOf, type LoadOptions } from "../config/load.ts";
import type { Options } from "../config/options.ts";
import { ConfigError } from "../config/problems.ts";
import type { ElevenNode } from "../daemon.ts";
import type { ConfigStatus, Reloaded } from "../model/config-status.ts";
import type { ChangeInput } from "../model/input.ts";
import type { Notice } from "../model/notice.ts";
import { thrownText } from "../model/thrown.ts";
import type { ReadonlyState } from "../model/types.ts";
import { RegistryError } from "../registry/error.ts";
import type { Applied } from "../registry/registry.ts";
import { FileWatch, type FileWatchOptions } from "./file-watch.ts";
import type { Kind } from "./objects.ts";
import { needRestart } from "./options-in-force.ts";
import { placesIn } from "./places.ts";
import { problemsOf } from "./problems.ts";
import { type Reload, reloadOf } from "./reload.ts";
import { tellReload } from "./tell.ts";

/** What it changes: a node is one. */
export type Reloadable = Pick<ElevenNode, "state" | "write" | "refusals" | "on" | "off">;

export interface LiveConfigOptions extends LoadOptions {
  /** Files, directories, "-". */
  readonly paths: readonly string[];
  readonly node: Reloadable;
  /** Told what of the options is in force at once, whenever a config comes into force. */
  readonly onOptions: (options: Options) => void;
  readonly onNotice: Notice;
  readonly watch?: FileWatchOptions;
}

export class LiveConfig {
  readonly #options: LiveConfigOptions;
  /** The options that this process began with. */
  readonly #began: Options;
  readonly #once: ReadonlyMap<string, FileText>;
  readonly #watchers = new Set<() => void>();
  #watch: FileWatch | undefined;
  /** One after the other. */
  #turn: Promise<unknown> = Promise.resolve();
  #inForce: readonly FileText[];
  /** What was tried last, in force or not. */
  #tried: readonly FileText[];
  #status: ConfigStatus;
  #places: ReadonlyMap<string, string> | undefined;

  private constructor(
    options: LiveConfigOptions,
    texts: readonly FileText[],
    once: ReadonlyMap<string, FileText>,
    began: Options,
  ) {
    this.#options = options;
    this.#once = once;
    this.#began = began;
    this.#inForce = texts;
    this.#tried = texts;
    this.#status = { files: texts.map(({ source }) => source), loaded: now(), restart: [] };
  }

  /**
   * With what was read when the process started, which made the node. What the node can't have of it is an edit that is refused, if the
   * node has something stored: that answers, and keeps answering over a restart. Else, and if its form is bad, it rejects with a
   * ConfigError: nobody could say which options the files mean.
   */
  static async begin(options: LiveConfigOptions, texts: readonly FileText[], draft: Draft): Promise<LiveConfig> {
    const live = new LiveConfig(options, texts, await readOnce(texts), draft.config.options);
    const reloaded = await live.#take(draft);
    if ("refused" in reloaded) {
      if (draft.problems.length > 0 || isEmpty(options.node.state)) throw new ConfigError(reloaded.refused);
      options.onOptions(draft.config.options);
      tellReload(reloaded, options.onNotice, "what is stored");
    }
    live.#watch = new FileWatch(
      options.paths,
      () => void live.#inTurn(() => live.#reload(false)).catch(() => {}),
      options.watch,
    );
    return live;
  }

  status(): ConfigStatus {
    return this.#status;
  }

  /** "/etc/eleven/eleven.yaml:12", where an object of the files is written. */
  placeOf(kind: Kind, id: string): string | undefined {
    this.#places ??= placesIn(draftOf(this.#inForce, "", process.env, this.#options).config);
    return this.#places.get(`${kind} ${id}`);
  }

  /** Reads all files again, whether they have changed or not. Rejects if what they say can't be stored. */
  reload(): Promise<Reloaded> {
    return this.#inTurn(() => this.#reload(true));
  }

  /** Calls back when `status` is another; what it returns ends that. */
  watch(changed: () => void): () => void {
    this.#watchers.add(changed);
    return () => this.#watchers.delete(changed);
  }

  /** Resolves when a reload under way is over; there is none from then on. */
  async close(): Promise<void> {
    this.#watch?.close();
    await this.#turn;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }

  async #reload(always: boolean): Promise<Reloaded> {
    const { paths, node, onNotice } = this.#options;
    const texts = await readFiles(paths, this.#once);
    const nothing = { revision: node.state.revision, changed: 0, restart: this.#status.restart };
    if (!always && sameTexts(texts, this.#tried)) return nothing;
    if (texts.every(isBlank) && !this.#inForce.every(isBlank)) return this.#emptied(paths);
    this.#tried = texts;
    try {
      const reloaded = await this.#take(draftOf(texts, paths.join(", "), process.env, this.#options));
      if (!("refused" in reloaded)) this.#inForce = texts;
      tellReload(reloaded, onNotice);
      return reloaded;
    } catch (error) {
      this.#tried = []; // the same files may do the next time
      onNotice(`config can't be read again: ${thrownText(error)}`);
      throw error;
    }
  }

  /** In force, or refused for all that is wrong with it. */
  async #take(draft: Draft): Promise<Reloaded> {
    const { node, onOptions } = this.#options;
    const { config } = draft;
    try {
      const written = await write(node, draft);
      const restart = needRestart(this.#began, config.options);
      this.#become({ files: config.files, loaded: now(), restart });
      this.#places = undefined;
      onOptions(config.options);
      return { ...written, restart };
    } catch (error) {
      if (error instanceof ConfigError) return this.#refused(error);
      throw error;
    }
  }

  #refused({ problems }: ConfigError): Reloaded {
    this.#become({ ...this.#status, refused: { at: now(), problems } });
    return { refused: problems };
  }

  /** A file that is being written, a disk that is full, a directory that is not mounted: nothing is no wish to have nothing. */
  #emptied(paths: readonly string[]): Reloaded {
    this.#tried = []; // looked at again, whatever is there then
    const message = "nothing is written there any more: what was in force stays; {} takes everything away";
    const problem = { file: paths.join(", "), line: 0, column: 0, path: [], message };
    const refused = this.#refused(new ConfigError([problem]));
    tellReload(refused, this.#options.onNotice);
    return refused;
  }

  #become(status: ConfigStatus): void {
    this.#status = status;
    for (const changed of this.#watchers) changed();
  }
}

/** Nothing but blanks and comments; a file that can't be read is another matter. */
const isBlank = ({ text, problem }: FileText): boolean =>
  problem === undefined && text.replace(/^\s*(#.*|---.*)?$/gm, "").trim() === "";

/** Alone: nobody else changes what the batch is reckoned from. Rejects with a ConfigError if anything is wrong with it. */
async function write(node: Reloadable, draft: Draft): Promise<{ readonly revision: number; readonly changed: number }> {
  let changed = 0;
  const count = ({ touched }: Applied): void => {
    const { networks, services, tasks, containers, sandboxes } = touched;
    for (const { size } of [networks, services, tasks, containers, sandboxes]) changed += size;
  };
  let reload: Reload | undefined;
  const batch = (state: ReadonlyState): readonly ChangeInput[] => {
    reload = reloadOf(state, draft.config.changes);
    if (draft.problems.length > 0 || reload.foreign.length > 0) throw problemsOf(draft, reload, node);
    node.on("change", count);
    return reload.changes;
  };
  try {
    return { revision: await node.write(batch, { alone: true }), changed };
  } catch (error) {
    throw error instanceof RegistryError && reload !== undefined ? problemsOf(draft, reload, node) : error;
  } finally {
    node.off("change", count);
  }
}

const isEmpty = ({ networks, services, tasks, containers, sandboxes }: ReadonlyState): boolean =>
  [networks, services, tasks, containers, sandboxes].every(({ size }) => size === 0);

const sameTexts = (a: readonly FileText[], b: readonly FileText[]): boolean =>
  a.length === b.length &&
  a.every(
    ({ source, text, problem }, i) => source === b[i]!.source && text === b[i]!.text && problem === b[i]!.problem,
  );

const now = (): string => new Date().toISOString();
