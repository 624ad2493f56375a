/**
 * Limits of the broker, derived from the machine's memory. The memory is divided so that the machine survives
 * the worst that clients can do at once, and the broker refuses clients before the kernel kills it:
 *
 *   a half    the broker's heap: sessions, subscriptions, queued and retained messages
 *   a quarter its connections, 64 KB each: 47 KB for TLS (measured with 2.1.2; OpenSSL allocates it, so it
 *             does not count as heap), the rest for the kernel's socket
 *   a quarter the system, the programs, and the caches of sqlite and the file system
 *
 * Mosquitto 2.1 measures its heap; 2.0.22 does so only with glibc, so the official image of 2.0 (Alpine, musl)
 * has no heap limit (memory_mosq.c).
 */
export interface Limits {
    /** Megabytes of the broker's heap. A request that does not fit is refused and its client disconnected. */
    memoryMb: number;
    /** Clients connected at once; more are refused. */
    connections: number;
    /** Bytes of the largest MQTT packet; a client that sends a larger one is disconnected. */
    packetBytes: number;
    /**
     * QoS 1 and 2 messages queued for one client, in number and bytes; more are dropped. When 2.1 starts with
     * lower limits, it also drops messages that are already queued.
     */
    queuedMessages: number;
    queuedBytes: number;
    /** QoS 1 and 2 messages in flight to one client. */
    inflightMessages: number;
    /** Longest keepalive; 0 for any. The broker tells MQTT 5 clients; it refuses older ones that ask for more. */
    keepaliveSeconds: number;
    /** Days after which the session of an offline client is removed; 0 for never. */
    sessionExpiryDays: number;
}

/**
 * Messages queued for one client. Retained messages for a new subscription are queued too, and those beyond the
 * limit are lost, so it must exceed all retained messages that one subscription matches. Each takes 140 bytes of
 * the heap, or 470 for an offline client (measured with 2.1.2 and short payloads): less than `queuedBytes` of the
 * smallest machine.
 */
const QUEUED_MESSAGES = 10_000;

/** Kilobytes of the machine's memory per connection. */
const CONNECTION_KB = 64;

/** Derives the limits for a machine with this much memory. */
export function limitsOf(memoryMb: number): Limits {
    return {
        memoryMb: memoryMb / 2,
        connections: ((memoryMb / 4) * 1024) / CONNECTION_KB,
        packetBytes: Math.min((memoryMb * 1024 * 1024) / 128, MAX_PACKET_BYTES),
        queuedMessages: QUEUED_MESSAGES,
        queuedBytes: (memoryMb * 1024 * 1024) / 32,
        inflightMessages: 20,
        keepaliveSeconds: 0,
        sessionExpiryDays: 0,
    };
}

/**
 * Megabytes of the volume that the broker needs. All its data is in the heap too, and the database is at most
 * 1.2 times the heap (measured with 2.1.2: large and small messages, full queues); client IDs of kilobytes can
 * exceed that. The broker is stopped when a tenth of the volume is left (broker-space).
 */
export function volumeNeedMb(limits: Limits): number {
    return Math.ceil((limits.memoryMb * 1.5) / 0.9);
}

/** MQTT's own limit: the remaining length of a packet is encoded in four bytes of seven bits. */
export const MAX_PACKET_BYTES = 268_435_455;

/** Checks that the limits fit a machine with this much memory. */
export function limitProblems(
    limits: Limits,
    machineMb: number,
): { key: keyof Limits; problem: string }[] {
    const problems: { key: keyof Limits; problem: string }[] = [];
    const heap = limits.memoryMb * 1024 * 1024;
    const connectionsMb = Math.ceil((limits.connections * CONNECTION_KB) / 1024);
    // The system needs at least an eighth of the memory; the default leaves it a quarter.
    const free = machineMb - machineMb / 8;
    if (limits.memoryMb + connectionsMb > free) {
        problems.push({
            key: limits.memoryMb > machineMb / 2 ? "memoryMb" : "connections",
            problem:
                `${limits.memoryMb} MB for the broker and ${connectionsMb} MB for ` +
                `${limits.connections} connections exceed the available ${free} of ${machineMb} MB`,
        });
    }
    if (limits.packetBytes * 4 > heap) {
        problems.push({
            key: "packetBytes",
            problem: `a packet may be a quarter of the broker's ${limits.memoryMb} MB at most`,
        });
    }
    if (limits.queuedBytes > heap) {
        problems.push({
            key: "queuedBytes",
            problem: `one client's queue cannot be larger than the broker's ${limits.memoryMb} MB`,
        });
    }
    if (limits.queuedBytes < limits.packetBytes) {
        problems.push({
            key: "queuedBytes",
            problem: `the largest packet (${limits.packetBytes} bytes) could never be queued`,
        });
    }
    return problems;
}
