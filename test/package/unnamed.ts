/** Which declarations a package's public types mention without exporting them: its users could not name what they get. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

// The compiler is an old one with an API, whose types are not installed here.
// biome-ignore lint/suspicious/noExplicitAny: see above
type Api = any;

/** "Name (its file), which Other mentions", for all entries of the package at `root` together. */
export function unnamed(ts: Api, root: string): string[] {
  const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    exports: Record<string, { types?: string } | string>;
  };
  const entries = Object.values(exports).flatMap((e) =>
    typeof e === "object" && e.types ? [join(root, e.types)] : [],
  );
  const program = ts.createProgram(entries, {
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    strict: true,
  });
  const checker = program.getTypeChecker();
  const target = (symbol: Api) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol);
  const exported = new Set<Api>(
    entries.flatMap((entry) =>
      checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(entry))).map(target),
    ),
  );
  const missing = new Set<string>();

  function look(node: Api, from: string): void {
    const name = nameIn(ts, node);
    const symbol = name === undefined ? undefined : checker.getSymbolAtLocation(name);
    if (symbol !== undefined) mention(target(symbol), from);
    ts.forEachChild(node, (child: Api) => look(child, from));
  }
  function mention(symbol: Api, from: string): void {
    const [declared] = symbol.declarations ?? [];
    const file: string = declared?.getSourceFile().fileName ?? "";
    const own = file.startsWith(join(root, "dist")) && declared.parent === declared.getSourceFile();
    if (own && !exported.has(symbol))
      missing.add(`${symbol.name} (${file.slice(root.length + 1)}), which ${from} mentions`);
  }

  for (const symbol of exported)
    for (const declaration of symbol.declarations ?? [])
      if (declaration.getSourceFile().fileName.startsWith(root)) look(declaration, symbol.name);
  return [...missing].sort();
}

/** What a node says by a name: a type, a value's type, a base class or interface. */
function nameIn(ts: Api, node: Api): Api {
  if (ts.isTypeReferenceNode(node)) return node.typeName;
  if (ts.isTypeQueryNode(node)) return node.exprName;
  if (ts.isExpressionWithTypeArguments(node)) return node.expression;
  return undefined;
}
