// Types of comet.js, whose head tells what everything does. They serve a page's
// own scripts (Comet is a global) and modules (import Comet = require("./comet")).

export = Comet;
export as namespace Comet;

declare class Comet {
  /** @throws TypeError or RangeError if an option is wrong. */
  constructor(options?: Comet.Options);

  /** How the whole is. */
  readonly state: Comet.State;
  /** Why it is not open, in words; may be empty. */
  readonly reason: string;
  /** The transport in use; empty before the first. */
  readonly transport: "" | Comet.Transport;

  /**
   * Adds a channel, or begins anew with one that was denied or closed. seq is the number of the first message
   * wanted: 0, the default, is the newest, 1 all that is kept.
   * @throws RangeError if the name is empty, longer than 255 bytes, no text, or has control characters, and if seq is no
   * whole number of 32 bits.
   */
  subscribe(channel: string, seq?: number): void;
  /**
   * Publishes, where the server lets clients do that, or by publishURL. It waits while a connection is being made.
   * @returns a promise of the message's number; null if publishURL does not say it. It is rejected with a PublishError.
   * @throws RangeError as subscribe; TypeError if content is not a string.
   */
  publish(channel: string, content: string): Promise<number | null>;
  /** Gives up a channel, and this tab's place in it. */
  unsubscribe(channel: string): void;
  /** The number of the message that comes next; null if that is not known yet. Numbers are of 32 bits and wrap. */
  next(channel: string): number | null;
  /** Ends all. There are no call-backs afterwards. */
  close(): void;

  /** Where time and chance come from, unless an option says otherwise. */
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
     * A status of the server's or of publishURL's, such as "403"; or "offline": it was not sent, for want of a connection or of the channel's token; "unable": the transport
     * in use cannot, and there is no publishURL; "unknown": it was sent, and for 90 seconds no answer could be had.
     */
    type: string;
  }

  /** Returns the token of a channel, or a promise of it, or calls give with it. */
  type TokenSource = (channel: string, give: (token: string) => void) => string | PromiseLike<string> | void;

  interface Options {
    /** Where the server's front side is. Default "/". */
    url?: string;
    /** Names, or names and the numbers to begin with. 64 at most, those of all tabs that share counted. */
    channels?: string | string[] | { [channel: string]: number };
    /** For all channels, by channel, or from a function. */
    token?: string | { [channel: string]: string } | TokenSource;
    /** Default "auto". */
    transport?: "auto" | Transport;
    /** Default true: one connection for all tabs. */
    share?: boolean;
    /** Default true: a reload goes on where the tab was; "browser": so does a later visit. */
    resume?: boolean | "browser";
    /** Default false. */
    credentials?: boolean;
    /** Where publish() sends a POST where there is no WebSocket for it. Default: none. */
    publishURL?: string;
    /** Milliseconds. Default 500. */
    firstDelay?: number;
    /** Milliseconds. Default 30000. */
    longestDelay?: number;
    clock?: Clock;

    onmessage?(message: Message): void;
    /** Numbers from to to are gone; to is null when the channel counts from 1 again: nobody knows how many. */
    onlost?(channel: string, from: number, to: number | null): void;
    onstate?(state: State, reason: string): void;
    onchannel?(channel: string, state: ChannelState, reason: string): void;
    /** What a call-back or the token function threw. */
    onerror?(error: unknown): void;
  }

  interface Clock {
    /** Milliseconds since whenever. */
    now(): number;
    setTimeout(f: () => void, delay: number): unknown;
    clearTimeout(timer: unknown): void;
    /** From 0 to below 1. */
    random(): number;
  }
}
