/** Runs the verification against brokers with a given behaviour. */
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import type { Target } from "../../../verification/target.ts";
import { verify, type Step } from "../../../verification/verify.ts";
import { issue, makeAuthority } from "../../../dev/harness/certificates.ts";
import type { Authority, ServerCertificate } from "../../../dev/harness/certificates.ts";
import { FaultyBroker } from "../../support/faultyBroker.ts";
import type { BrokerBehaviour } from "../../support/faultyBroker.ts";

export const HOSTNAME = "appkata-test.fly.dev";
const ADA = { username: "ada", password: "ada's password" };
export const USERS = { ada: ADA.password, grace: "grace's password" };

/** Create it inside `describe`: it registers hooks. */
export class Verified {
    authority!: Authority;
    certificate!: ServerCertificate;
    readonly #opened: { close(): Promise<void> }[] = [];

    constructor() {
        before(async () => {
            this.authority = await makeAuthority();
            this.certificate = await issue(this.authority, [HOSTNAME, "127.0.0.1"]);
        });
        afterEach(() => this.close());
    }

    /** Servers that it started. */
    async close(): Promise<void> {
        for (const each of this.#opened.splice(0)) await each.close();
    }

    targetAt(port: number, more: Partial<Target> = {}): Target {
        return {
            address: "127.0.0.1",
            port,
            hostname: HOSTNAME,
            caPem: this.authority.pem,
            tls: "broker",
            verifier: ADA,
            logins: {
                users: [{ user: "grace", password: USERS.grace }],
                userCount: 1,
                former: [],
            },
            deadlineSeconds: 1,
            ...more,
        };
    }

    async start(behaviour: Partial<BrokerBehaviour>, port?: number): Promise<FaultyBroker> {
        const { certificate } = this;
        const broker = await FaultyBroker.start({ certificate, users: USERS, ...behaviour }, port);
        this.#opened.push(broker);
        return broker;
    }

    /** Verifies a broker with this behaviour. */
    async stepsOf(behaviour: Partial<BrokerBehaviour>, more: Partial<Target> = {}) {
        const { port } = await this.start(behaviour);
        return verify(this.targetAt(port, more), { stepTimeoutMs: 1000 });
    }

    /** Starts a server on a free port that passes connections to `handle`. */
    async listen(handle: (socket: Socket) => void): Promise<number> {
        const sockets = new Set<Socket>();
        const server = createServer((socket) => {
            sockets.add(socket);
            socket.on("error", () => undefined);
            handle(socket);
        });
        server.listen(0, "127.0.0.1");
        await once(server, "listening");
        this.#opened.push({
            close: async () => {
                for (const socket of sockets) socket.destroy();
                await new Promise((resolve) => server.close(resolve));
            },
        });
        return (server.address() as AddressInfo).port;
    }
}

/** Names of the failed steps. */
export function failures(steps: Step[]): Step["name"][] {
    return steps.filter(({ ok }) => !ok).map(({ name }) => name);
}
