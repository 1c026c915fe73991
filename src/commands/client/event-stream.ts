/** Server-sent events out of the octets of a response, as the HTML standard reads them; of its fields, what our API uses. */

export interface StreamEvent {
  readonly id: string | undefined;
  readonly event: string;
  readonly data: string;
}

/** Octets may come in any pieces; an event that the stream ends in the middle of is none. */
export async function* readEvents(octets: AsyncIterable<Uint8Array>): AsyncGenerator<StreamEvent> {
  const decoder = new TextDecoder();
  let [rest, id] = ["", undefined as string | undefined];
  let [event, data] = ["", [] as string[]];
  for await (const piece of octets) {
    rest += decoder.decode(piece, { stream: true });
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop()!;
    for (const line of lines) {
      if (line === "") {
        if (data.length > 0) yield { id, event: event || "message", data: data.join("\n") };
        [event, data] = ["", []];
        continue;
      }
      const [, field, value = ""] = /^([^:]*):? ?(.*)$/s.exec(line)!;
      if (field === "data") data.push(value);
      else if (field === "event") event = value;
      else if (field === "id") id = value;
    }
  }
}
