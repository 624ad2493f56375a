import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createSecureContext, TLSSocket } from "node:tls";
import { Aedes } from "aedes";
import type { AuthenticateError, Client } from "aedes";
import type { ServerCertificate } from "../../dev/harness/certificates.ts";

export interface BrokerBehaviour {
    certificate: ServerCertificate;
    /** User name → password. */
    users: Record<string, string>;
    /** Who is admitted. Default: each listed user with its password. */
    admits?: (username: string | undefined, password: string | undefined) => boolean;
    /** The CONNACK code for a refused login; default 5, not authorised. */
    refusalCode?: number;
    /** Transforms a published payload; undefined drops it. Default: unchanged. */
    delivers?: (payload: Buffer) => Buffer | undefined;
    /** Topics that are delivered although the verification's user has no grant for them. */
    grantsToo?: RegExp;
    /** Grants shared subscriptions to anybody. */
    sharesAll?: boolean;
    /** Handles a connection that does not begin with a TLS handshake. Default: closes it. */
    plain?: (socket: Socket, broker: Aedes) => void;
    /** Topics on which a client's publish closes its connection. */
    hangsUpOn?: RegExp;
    /** Handles a TLS connection after its handshake. Default: speaks MQTT. */
    secure?: (socket: Duplex) => void;
}

/** A broker on a port of 127.0.0.1 that can have one fault. */
export class FaultyBroker {
    readonly broker: Aedes;
    readonly #server: Server;
    readonly #sockets = new Set<Socket>();

    private constructor(broker: Aedes, behaviour: BrokerBehaviour) {
        this.broker = broker;
        const context = createSecureContext({
            cert: behaviour.certificate.chain,
            key: behaviour.certificate.key,
        });
        this.#server = createServer((socket) => {
            this.#sockets.add(socket);
            socket.on("error", () => undefined);
            socket.once("readable", () => {
                const begin = socket.read() as Buffer | null;
                if (begin === null) return;
                socket.unshift(begin);
                if (begin[0] !== TLS_HANDSHAKE) {
                    if (behaviour.plain) behaviour.plain(socket, broker);
                    else socket.destroy();
                    return;
                }
                const secured = new TLSSocket(socket, { isServer: true, secureContext: context });
                secured.on("error", () => undefined);
                if (behaviour.secure) secured.once("secure", () => behaviour.secure?.(secured));
                else broker.handle(secured);
            });
        });
    }

    /** @param port the port to listen on; by default a free one */
    static async start(behaviour: BrokerBehaviour, port = 0): Promise<FaultyBroker> {
        const admits =
            behaviour.admits ??
            ((user, password) => user !== undefined && behaviour.users[user] === password);
        const broker = await Aedes.createBroker({
            authenticate: (_client: Client, username, password, done) => {
                if (admits(username, password?.toString())) return done(null, true);
                const error = new Error("refused") as AuthenticateError;
                error.returnCode = behaviour.refusalCode ?? 5;
                done(error, false);
            },
            authorizePublish: (_client, packet, done) =>
                done(behaviour.hangsUpOn?.test(packet.topic) ? new Error("refused") : null),
            authorizeSubscribe: (_client, subscription, done) => {
                const refused = subscription.topic.startsWith("$share/") && !behaviour.sharesAll;
                done(null, refused ? null : subscription);
            },
            authorizeForward: (_client, packet) => {
                const denied = NOT_GRANTED.test(packet.topic);
                if (denied && behaviour.grantsToo?.test(packet.topic) !== true) return null;
                const payload = Buffer.from(packet.payload);
                const delivered = behaviour.delivers ? behaviour.delivers(payload) : payload;
                if (delivered === undefined) return null;
                packet.payload = delivered;
                return packet;
            },
        });
        const started = new FaultyBroker(broker, behaviour);
        started.#server.listen(port, "127.0.0.1");
        await once(started.#server, "listening");
        return started;
    }

    get port(): number {
        return (this.#server.address() as AddressInfo).port;
    }

    async close(): Promise<void> {
        for (const socket of this.#sockets) socket.destroy();
        await new Promise<void>((resolve) => this.broker.close(resolve));
        await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    }
}

const TLS_HANDSHAKE = 0x16;
/** Topics that the verification's user may not read, or may not write. */
const NOT_GRANTED = /^(appkata-mqtt\/verification-|\$SYS\/)/;
