// The types of comet.js. The comment at the beginning of that file describes everything. The types can be used by
// scripts of a page (Comet is a global) and by modules (import Comet = require("./comet")).

export = Comet;
export as namespace Comet;

declare class Comet {
  /** @throws TypeError or RangeError if an option has a wrong value. */
  constructor(options?: Comet.Options);

  /** The state of the whole client. */
  readonly state: Comet.State;
  /** A text that says why the state is not "open". It may be empty. */
  readonly reason: string;
  /** The transport in use. It is empty before there is one. */
  readonly transport: "" | Comet.Transport;

  /**
   * Adds a channel, or starts again with one that was denied or closed. seq is the number of the first message that is
   * wanted: 0, the default, means messages from now on, and 1 all messages that the server keeps.
   * @throws RangeError if the name is empty, has more than 255 bytes, is not text, or has control characters, and if
   * seq is not a whole number of 32 bits.
   */
  subscribe(channel: string, seq?: number): void;
  /**
   * Publishes on the WebSocket if the server lets clients do that, or by publishURL. It waits while the client
   * connects.
   * @returns a promise of the message's number (null if publishURL does not return it). It is rejected with a
   * PublishError.
   * @throws RangeError for the same names as subscribe; TypeError if content is not a string.
   */
  publish(channel: string, content: string): Promise<number | null>;
  /** Removes a channel, and the cursor of this tab in it. */
  unsubscribe(channel: string): void;
  /** Returns the number of the next message, or null if it is not known yet. Numbers have 32 bits and wrap around. */
  next(channel: string): number | null;
  /** Ends everything. No call-back is called after it. */
  close(): void;

  /** The source of time and random numbers, unless the option clock replaces it. */
  static clock: Comet.Clock;
}

declare namespace Comet {
  type State = "connecting" | "open" | "offline" | "busy" | "denied" | "closed";
  type Transport = "ws" | "sse" | "poll" | "jsonp";
  type ChannelState = "open" | "lost" | "busy" | "denied" | "closed";

  interface Message {
    channel: string;
    seq: number;
    content: string;
    type: "data" | "broadcast";
  }

  interface PublishError extends Error {
    /**
     * A status of the server or of publishURL, such as "403"; or "offline": the message was not sent, because there was
     * no connection or no token of the channel; "unable": the transport in use cannot publish, and no publishURL can;
     * "unknown": it was sent, but it is not known whether it is published (for example, no answer came for 90 seconds).
     */
    type: string;
  }

  /** Returns the token of a channel, returns a promise of it, or calls give with it. */
  type TokenSource = (channel: string, give: (token: string) => void) => string | PromiseLike<string> | void;

  interface Options {
    /** The URL of the server's front side. Default: "/". */
    url?: string;
    /** Names, or names with the numbers to begin with. All tabs that share a connection have 64 channels at most. */
    channels?: string | string[] | { [channel: string]: number };
    /** One token for all channels, a token for each channel, or a function that gets it. */
    token?: string | { [channel: string]: string } | TokenSource;
    /** Default: "auto". */
    transport?: "auto" | Transport;
    /** Default: true, one connection for all tabs. */
    share?: boolean;
    /** Default: true, a reload resumes from the cursor of the tab. "browser": a later visit resumes, too. */
    resume?: boolean | "browser";
    /** Whether requests to another origin send cookies. Default: false. */
    credentials?: boolean;
    /** The URL to which publish() sends a POST if it cannot use a WebSocket. Default: none. */
    publishURL?: string;
    /** The first back-off, in milliseconds. Default: 500. */
    firstDelay?: number;
    /** The longest back-off, in milliseconds. Default: 30000. */
    longestDelay?: number;
    clock?: Clock;

    onmessage?(message: Message): void;
    /**
     * The messages with the numbers from to to are lost. to is null if the channel counts from 1 again: then it is not
     * known how many are lost.
     */
    onlost?(channel: string, from: number, to: number | null): void;
    onstate?(state: State, reason: string): void;
    onchannel?(channel: string, state: ChannelState, reason: string): void;
    /** Gets an error that a call-back or the token function threw, or one that names an unknown option. */
    onerror?(error: unknown): void;
  }

  interface Clock {
    /** Returns milliseconds since any fixed time. */
    now(): number;
    setTimeout(f: () => void, delay: number): unknown;
    clearTimeout(timer: unknown): void;
    /** Returns a number from 0 to less than 1. */
    random(): number;
  }
}
