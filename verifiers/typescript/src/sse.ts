/** Longer than any message of the feed. */
const MOST = 1024 * 1024;

/** Cuts a stream of server-sent events into the data of its events (HTML Living Standard); only `data` counts. */
export class Events {
  private readonly decoder = new TextDecoder("utf-8", { fatal: true });
  private rest = "";
  private data: string[] = [];
  private length = 0;

  /** Takes more bytes in; the data of the events that end in them. */
  push(bytes: Uint8Array): string[] {
    const events: string[] = [];
    this.rest += this.decoder.decode(bytes, { stream: true });
    for (;;) {
      const end = /\r\n|\n|\r(?!$)/.exec(this.rest);
      if (!end) break;
      const line = this.rest.slice(0, end.index);
      this.rest = this.rest.slice(end.index + end[0].length);
      if (line === "") {
        if (this.data.length > 0) events.push(this.data.join("\n"));
        this.data = [];
        this.length = 0;
      } else if (line === "data" || line.startsWith("data:")) {
        this.data.push(line.slice(5).replace(/^ /, ""));
        this.length += line.length;
      }
    }
    if (this.rest.length + this.length > MOST) throw new Error("the stream has an event that can't be read");
    return events;
  }
}
