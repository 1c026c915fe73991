import { expect, test } from "vitest";
import { addressBytes } from "../../src/model/address.ts";
import { nameKey } from "../../src/model/name.ts";
import { rdataTexts } from "../../src/wire/rdata-text.ts";
import { hinfoRdata, nameRdata, rrset, srvRdata, txtRdata } from "../../src/wire/rrset.ts";

test.each([
  [1, [addressBytes("10.0.1.2")!, addressBytes("10.0.1.3")!], ["10.0.1.2", "10.0.1.3"]],
  [28, [addressBytes("fd00::2")!], ["fd00::2"]],
  [12, [nameRdata(nameKey("web.mynet"))], ["web.mynet."]],
  [33, [srvRdata(0, 5, 8080, nameKey("web"))], ["0 5 8080 web."]],
  [16, [txtRdata(['a="b"', "é"])], ['"a=\\"b\\"" "\\195\\169"']],
  [13, [hinfoRdata("x", "y")], ["\\# 4 01780179"]],
])("type %i", (type, rdata, texts) => {
  expect(rdataTexts(rrset(type, 5, rdata))).toEqual(texts);
});
