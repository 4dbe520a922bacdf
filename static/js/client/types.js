/**
 * The words of the wire contract as types: what `tsc --checkJs` holds the other modules to.
 *
 * Nothing here runs; modules name these with `@import`, which leaves no trace in the browser.
 *
 * @typedef {Record<string, any>} Json  A JSON object.
 *
 * @typedef {object} Session
 * @property {string} id
 * @property {string} activity
 * @property {string} [emoji]  A catalogue id such as `1F600`, or the character itself.
 * @property {'active' | 'paused'} status
 * @property {string} started_at  RFC 3339.
 * @property {number} paused_s  The total of finished pauses.
 * @property {string | null} [paused_at]  Since when it is paused; absent while it runs.
 * @property {number} version
 *
 * @typedef {object} Profile
 * @property {number} id
 * @property {string} name
 * @property {string} [bio]
 * @property {string[]} [roles]
 * @property {number} [version]
 *
 * @typedef {object} State  What all devices of a user keep in sync.
 * @property {Profile} [profile]
 * @property {Json} [preferences]
 * @property {Session | null} [session]
 * @property {string[]} [favorites]  Ids of emoji, in the person's order.
 * @property {string[]} [recent_emojis]  Ids, the latest used first.
 * @property {Record<string, CustomEmoji>} [custom_emojis]  One's own, by id.
 * @property {Record<string, {name: string, linked_at: string}>} [accounts]  Ways in, by provider.
 * @property {{unread_count: number, items: Record<string, Notification>}} [notifications]  All that were not dismissed.
 * @property {Record<string, Announcement>} [announcements]
 *
 * @typedef {'info' | 'success' | 'warning' | 'error'} Level
 *
 * @typedef {object} Notification
 * @property {string} id  Later ones have greater ids.
 * @property {string} kind
 * @property {Level} level
 * @property {string} title  For who does not know the kind.
 * @property {string} [body]
 * @property {Json} [data]  What happened, for saying it in one's own words.
 * @property {boolean} read
 * @property {string} created_at
 *
 * @typedef {object} Announcement
 * @property {string} id
 * @property {string} title
 * @property {string} [body]
 * @property {Level} level
 * @property {string} published_at
 * @property {string} [expires_at]
 *
 * @typedef {object} CustomEmoji
 * @property {string} id
 * @property {string} name
 * @property {'pending' | 'approved' | 'rejected'} status
 * @property {string} url
 * @property {number} version
 *
 * @typedef {object} WireError
 * @property {string} code
 * @property {string} class
 * @property {string} [severity]
 * @property {string} message
 * @property {boolean} retryable
 * @property {number} [retry_after_ms]
 * @property {Record<string, string[]>} [fields]
 * @property {string} [trace_id]
 *
 * @typedef {object} Verdict
 * @property {string} mid
 * @property {'confirmed' | 'rolled_back'} status
 * @property {number} [seq]
 * @property {Json} [result]
 * @property {WireError} [error]
 * @property {Json} [current]
 * @property {boolean} [duplicate]
 *
 * @typedef {object} Item
 * @property {string} kind
 * @property {Json} [patch]
 * @property {Json} [data]
 *
 * @typedef {Item & Partial<Verdict>} EntryItem
 *
 * @typedef {object} Entry
 * @property {'user' | 'all'} stream
 * @property {number} seq
 * @property {string} [at]
 * @property {EntryItem[]} items
 *
 * @typedef {object} Welcome
 * @property {'welcome'} type
 * @property {string} cursor
 * @property {boolean} resumed
 * @property {string} [reason]
 * @property {State} [state]
 * @property {{id: number, name: string, roles?: string[]}} [user]
 * @property {string} [connection]
 * @property {string} [instance]
 * @property {number} [heartbeat_s]
 * @property {{frame_bytes?: number, messages_per_s?: number, pending_mutations?: number}} [limits]
 * @property {number} [token_expires_in_s]
 * @property {string} [server_time]
 *
 * @typedef {{type: string} & Json} Frame  One message, in either direction.
 *
 * @typedef {object} Member  Somebody in the lobby.
 * @property {{id: number, name: string}} user
 * @property {Session} session
 *
 * @typedef {'queued' | 'sent' | 'in_doubt' | 'confirmed' | 'rolled_back' | 'expired'} Delivery
 *
 * @typedef {object} Change  One mutation of this device, from the click to its acknowledged end.
 * @property {string} mid
 * @property {string} name
 * @property {Json} args
 * @property {number} [if_version]
 * @property {number} created_at  Milliseconds since 1970, by this device's clock corrected to the server's.
 * @property {Delivery} delivery
 * @property {import('./journey.js').Phase} phase  Where it stands in the person's eyes.
 * @property {number} attempts  How often it was handed to a link.
 * @property {{mid: string, arg: string}} [needs]  An argument that an earlier change must yield first.
 * @property {number} [retry_at]  Not before this time (ms).
 * @property {number} [seq]  The entry that carries its effects, once a verdict named it.
 * @property {Json} [result]
 * @property {WireError} [error]
 * @property {Json} [current]  The authoritative state that a rejection came with.
 *
 * @typedef {object} Saved  What survives a reload.
 * @property {string | null} cursor
 * @property {State} state
 * @property {Change[]} changes
 *
 * @typedef {object} Saving  One atomic change of what is saved.
 * @property {{cursor: string | null, state: State, replace?: boolean}} [base]  `replace`: even if it goes back.
 * @property {Change[]} [put]
 * @property {string[]} [remove]
 *
 * @typedef {object} Storage  Where a client keeps what must survive a reload. One transaction per `commit`.
 * @property {() => Promise<string | null>} account  Who was signed in last.
 * @property {(account: string | null) => Promise<void>} setAccount
 * @property {(account: string) => Promise<Saved>} load
 * @property {(account: string, saving: Saving) => Promise<void>} commit
 * @property {(account: string) => Promise<void>} clear
 * @property {unknown} [problem]  Why nothing outlives the page, if so.
 *
 * @typedef {object} Clock
 * @property {() => number} now  Milliseconds since 1970.
 * @property {(run: () => void, ms: number) => any} setTimeout
 * @property {(timer: any) => void} clearTimeout
 *
 * @typedef {object} Network  What the device believes about its line.
 * @property {() => boolean} online
 * @property {(changed: () => void) => () => void} listen  Returns how to stop listening.
 *
 * @typedef {object} Environment  Everything of the outside world that a client touches.
 * @property {Clock} clock
 * @property {() => number} random  In [0, 1).
 * @property {(count: number) => Uint8Array} randomBytes
 * @property {(url: string, protocols: string[]) => any} openSocket  A WebSocket.
 * @property {(url: string, init?: Json) => Promise<Response>} fetch
 * @property {Network} network
 * @property {TabsEnvironment | null} [tabs]  Null where tabs cannot find each other.
 *
 * @typedef {object} TabsEnvironment  How the tabs of one browser find each other.
 * @property {(name: string, options: {steal?: boolean, ifAvailable?: boolean, signal?: AbortSignal},
 *   run: (isOurs: boolean) => Promise<any> | undefined) => Promise<any>} requestLock  A Web Lock, held until `run` is over.
 * @property {(name: string) => {postMessage: (message: any) => void, close: () => void, onmessage: any}} openChannel
 * @property {(changed: (isFrozen: boolean) => void) => () => void} listenFreeze  Returns how to stop listening.
 *
 * @typedef {object} Auth  For clients without a cookie.
 * @property {(refresh: boolean) => Promise<string | null>} token  An access token; a new one when `refresh`.
 *
 * @typedef {object} Loss  Why a link ended, and so what to do.
 * @property {'stop' | 'auth' | 'busy' | 'again' | 'broken' | 'unreachable'} kind
 * @property {number} [code]
 * @property {string} [reason]
 * @property {number} [retryMs]
 *
 * @typedef {object} Sink  Where a link delivers.
 * @property {(frames: Frame[]) => void} frames
 * @property {(loss: Loss) => void} lost  At most once; nothing follows it.
 *
 * @typedef {object} Link  One way to the server. All of them speak the frames of the socket.
 * @property {(hello: Frame) => void} open
 * @property {(frames: Frame[]) => void} send
 * @property {() => void} close  Ends it without telling the sink.
 */

export {};
