// core
import assert from "node:assert/strict";
import { connect, type TLSSocket } from "node:tls";
import { CONF, passwordLine } from "../../dev/harness/brokerConf.ts";
import { BrokerContainer, buildBroker } from "../../dev/harness/brokerContainer.ts";
import { ADA, filesForAda, HOSTNAME } from "../support/brokerFixture.ts";
import { makeAuthority, type Authority } from "../../dev/harness/certificates.ts";

/** Iterations of a user-given password's hash, the most expensive for the broker. */
const ITERATIONS = 10_000;
/** As many clients as the smallest machine takes. */
const { connections: CLIENTS } = CONF.limits;

/** CONNECT of MQTT 3.1.1 with a clean session; a client this small allows a thousand of them. */
function connectPacket(id: string): Buffer {
    const text = (value: string) => {
        const bytes = Buffer.from(value);
        return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
    };
    const head = Buffer.concat([text("MQTT"), Buffer.from([4, 0xc2, 0, 0])]);
    const body = Buffer.concat([head, text(id), text(ADA.username), text(ADA.password)]);
    return Buffer.concat([Buffer.from([0x10, body.length]), body]);
}

describe("reconnect storm on a machine of 256 MB", function () {
    this.timeout(120_000);
    let broker: BrokerContainer;
    let authority: Authority;
    let inside: TLSSocket[] = [];

    before(async () => {
        authority = await makeAuthority();
        broker = await BrokerContainer.create({
            image: await buildBroker("2.1"),
            memoryMb: 256,
            files: {
                ...(await filesForAda(authority)),
                "/etc/appkata/passwd": passwordLine(ADA.username, ADA.password, ITERATIONS),
            },
        });
        await broker.start();
    });
    after(async () => {
        for (const socket of inside) socket.destroy();
        await broker.remove();
    });

    /** @returns whether the broker accepted the login */
    function logIn(port: number, id: string): Promise<boolean> {
        return new Promise((resolve) => {
            const where = { host: "127.0.0.1", port, ca: authority.pem, servername: HOSTNAME };
            const socket = connect(where, () => socket.write(connectPacket(id)));
            socket.once("data", (answer: Buffer) => {
                if (answer[0] === 0x20 && answer[3] === 0) inside.push(socket);
                resolve(answer[0] === 0x20 && answer[3] === 0);
            });
            socket.on("error", () => resolve(false)).on("close", () => resolve(false));
        });
    }

    /** Connects all at once; a client whose connection breaks tries again, as clients do. */
    async function storm(): Promise<void> {
        const port = await broker.port();
        const enter = async (id: string) => {
            for (let tries = 0; tries < 50; tries++) if (await logIn(port, id)) return true;
            return false;
        };
        const entered = await Promise.all(
            Array.from({ length: CLIENTS }, (_, i) => enter(`client-${i}`)),
        );
        assert.equal(entered.filter(Boolean).length, CLIENTS);
    }

    it("admits as many clients as the limit allows, all at once, and not one more", async () => {
        await storm();
        assert.equal(await logIn(await broker.port(), "one-more"), false);
        assert.ok(inside.every((socket) => !socket.destroyed));
    });

    it("admits all of them again after a SIGKILL, and keeps running", async () => {
        const gone = Promise.all(
            inside.map((socket) => new Promise((resolve) => socket.once("close", resolve))),
        );
        await broker.kill();
        await gone;
        inside = [];
        await broker.start();
        await storm();
        const { State } = await broker.container.inspect();
        assert.deepEqual([State.Running, State.OOMKilled], [true, false]);
    });
});
