/** Changes as nft would be told them, for people and for tests. Nothing of ours reads it. */
import type { TypeName } from "./datatype.ts";
import { ruleText } from "./statement.ts";
import type { Chain, Change, Element, NamedSet, Rule } from "./types.ts";

export function changeText(table: string, change: Change): string {
  const verb = change.kind.slice(change.kind.indexOf(".") + 1);
  const where = `inet ${table}`;
  switch (change.kind) {
    case "table.add":
    case "table.delete":
      return `${verb} table ${where}`;
    case "chain.add":
      return `${verb} chain ${where} ${chainText(change.chain)}`;
    case "chain.flush":
    case "chain.delete":
      return `${verb} chain ${where} ${change.chain}`;
    case "set.add":
      return `${verb} ${change.set.value === undefined ? "set" : "map"} ${where} ${setText(change.set)}`;
    case "set.flush":
    case "set.delete":
      return `${verb} set ${where} ${change.set}`;
    case "counter.add":
    case "counter.delete":
      return `${verb} counter ${where} ${change.counter}`;
    case "rule.add":
      return `${verb} rule ${where} ${change.rule.chain} ${commented(change.rule)}`;
    case "elements.add":
      return `add element ${where} ${change.set.name} { ${change.elements.map(elementText).join(", ")} }`;
    case "elements.delete":
      return `delete element ${where} ${change.set.name} { ${change.elements.map(({ key }) => key).join(", ")} }`;
  }
}

/** `10.0.1.4 comment "web" : goto s-256`. */
export const elementText = ({ key, value, comment }: Element): string =>
  `${key}${comment === undefined ? "" : ` comment "${comment}"`}${value === undefined ? "" : ` : ${value}`}`;

const commented = ({ statements, comment }: Rule): string =>
  `${ruleText(statements)}${comment === undefined ? "" : ` comment "${comment}"`}`;

const chainText = ({ name, base }: Chain): string =>
  base === undefined
    ? name
    : `${name} { type ${base.type} hook ${base.hook} priority ${base.priority}; policy ${base.policy}; }`;

function setText({ name, key, value, interval, dynamic }: NamedSet): string {
  const types = value === undefined ? [key] : [key, typeof value === "string" ? [value] : value];
  const sourced = types.flat().includes("number");
  const words = types.map((part) => part.map((type) => (sourced ? SOURCES[type] : type)).join(" . ")).join(" : ");
  return [
    `${name} { ${sourced ? "typeof" : "type"} ${words};`,
    ...(interval ? ["flags interval;"] : []),
    ...(dynamic ? [`size ${dynamic.size}; flags dynamic,timeout; timeout ${dynamic.timeout}s;`] : []),
    "}",
  ].join(" ");
}

/** Where values come from: nft has no name for the type of a number that it counts itself. */
const SOURCES: Readonly<Partial<Record<TypeName | "verdict" | "counter", string>>> = {
  number: "numgen inc mod 2",
  ipv4_addr: "ip daddr",
  ipv6_addr: "ip6 daddr",
  verdict: "verdict",
  counter: "counter",
};
