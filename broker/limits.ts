/**
 * What the broker may take, from the machine's memory. The memory is shared out so that the machine
 * lives through the worst that clients can do at once, and the broker refuses before the kernel kills:
 *
 *   a half    the broker's own heap: sessions, subscriptions, queued and retained messages
 *   a quarter its connections, 64 KB each: TLS takes 47 KB of the broker's (measured with 2.1.2; it is
 *             OpenSSL's, so it does not count as heap), the kernel's socket the rest
 *   a quarter the system, the programs, and sqlite's and the file system's caches
 *
 * Mosquitto counts its heap in 2.1; 2.0.22 does with glibc only, so that the official image of 2.0 (Alpine's
 * musl) has no bound there (its memory_mosq.c).
 */
export interface Limits {
    /** Megabytes of the broker's heap. What does not fit is refused, and its client cut off. */
    memoryMb: number;
    /** Clients that are connected at once; more are refused. */
    connections: number;
    /** Bytes of the largest MQTT packet; who sends a larger one is cut off. */
    packetBytes: number;
    /**
     * QoS 1 and 2 messages, and their bytes, that wait for one client; more are dropped. When 2.1 starts with
     * lower ones, those that wait already are too.
     */
    queuedMessages: number;
    queuedBytes: number;
    /** QoS 1 and 2 messages on their way to one client at once. */
    inflightMessages: number;
    /** The longest keepalive; 0: any. MQTT 5 clients are told, older ones with a longer are refused. */
    keepaliveSeconds: number;
    /** Days after which a session whose client is away is forgotten; 0: never. */
    sessionExpiryDays: number;
}

/**
 * Messages that wait for one client. A new subscriber's retained messages wait too, and what goes beyond it never gets,
 * so this has to hold all that a house has of them. Each takes 140 bytes of the heap that way, and 470 where its client
 * is away (measured with 2.1.2 and short payloads): less than `queuedBytes` of the smallest machine.
 */
const QUEUED_MESSAGES = 10_000;

/** Kilobytes of the machine's memory that a connection takes. */
const CONNECTION_KB = 64;

/** The limits of a machine of so many megabytes. */
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
 * Megabytes of the volume that the broker's data may take. All of it is in the heap too, and its database is
 * 1.2 times the heap at most (measured with 2.1.2: large and small messages, full queues); client IDs of
 * kilobytes can make it more. With a tenth of the volume left it is ended (broker-space).
 */
export function volumeNeedMb(limits: Limits): number {
    return Math.ceil((limits.memoryMb * 1.5) / 0.9);
}

/** MQTT's own: a packet's length has four bytes of seven bits, and its head is not counted. */
export const MAX_PACKET_BYTES = 268_435_455;

/** What cannot be on a machine of so many megabytes; keys are those of `Limits`. */
export function limitProblems(
    limits: Limits,
    machineMb: number,
): { key: keyof Limits; problem: string }[] {
    const problems: { key: keyof Limits; problem: string }[] = [];
    const heap = limits.memoryMb * 1024 * 1024;
    const connectionsMb = Math.ceil((limits.connections * CONNECTION_KB) / 1024);
    // What is left for the system may be less than the rule's quarter, not less than an eighth.
    const free = machineMb - machineMb / 8;
    if (limits.memoryMb + connectionsMb > free) {
        problems.push({
            key: limits.memoryMb > machineMb / 2 ? "memoryMb" : "connections",
            problem:
                `${limits.memoryMb} MB for the broker and ${connectionsMb} MB for ` +
                `${limits.connections} connections are more than ${free} of ${machineMb} MB`,
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
