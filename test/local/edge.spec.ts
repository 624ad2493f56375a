// core
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { Socket } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { startLocalFly } from "../../dev/fly/index.ts";
import type { LocalFly } from "../../dev/fly/index.ts";
import { Api } from "../../dev/harness/api.ts";
import { pushImage } from "../../dev/harness/image.ts";
import { until } from "../../dev/harness/until.ts";

/** Connects, sends `text` unless it is empty, and reads until the other side ends. */
async function talk(host: string, port: number, text: string): Promise<string> {
    const socket = connect({ host, port, allowHalfOpen: true });
    socket.end(text);
    return read(socket);
}

async function read(socket: Socket): Promise<string> {
    let answer = "";
    for await (const chunk of socket as AsyncIterable<Buffer>) answer += chunk.toString();
    return answer;
}

describe("local Fly: the TCP edge", function () {
    this.timeout(60_000);
    let fly: LocalFly;
    let api: Api;
    let image: string;
    let v4: string;
    let v6: string;

    const service = (internal: number, ports: Record<string, unknown>[], more = {}) => ({
        protocol: "tcp",
        internal_port: internal,
        ports,
        autostart: false,
        ...more,
    });
    const serving = (command: string, services: Record<string, unknown>[]) => ({
        image,
        init: { exec: ["/bin/sh", "-c", command] },
        services,
    });
    /** Echoes what a connection sent, once the sender has ended. */
    const ECHO = "nc -ll -p 7000 -e /bin/cat";

    before(async () => {
        fly = await startLocalFly();
        api = new Api(fly);
        await api.app("edge");
        image = await pushImage(fly, "edge");
        const path = "/apps/edge/ip_assignments";
        v4 = (await api.ok<{ ip: string }>("POST", path, { type: "v4" })).ip;
        v6 = (await api.ok<{ ip: string }>("POST", path, { type: "v6" })).ip;
    });
    after(() => fly?.close());

    it("names the program that uses a port, and opens the port once it is free", async () => {
        const taken = createServer().listen(10000, v4);
        await once(taken, "listening");
        const machine = await api.start("edge", serving(ECHO, [service(7000, [{ port: 10000 }])]));
        const refused = async () =>
            (await api.ok<{ refused: object[] }>("GET", "/_local/state")).refused;
        try {
            const reason = `it is taken by node (process ${process.pid})`;
            await until("it is told", async () => (await refused()).length > 0);
            assert.deepEqual(await refused(), [{ ip: v4, port: 10000, reason }]);
        } finally {
            await new Promise((resolve) => taken.close(resolve));
        }
        await until("it is open", async () => (await refused()).length === 0);
        assert.equal(await talk(v4, 10000, "hello"), "hello");
        await api.destroy("edge", machine.id);
    });

    it("forwards a raw connection to the machine, on either address, also half-closed", async () => {
        const machine = await api.start("edge", serving(ECHO, [service(7000, [{ port: 10000 }])]));
        assert.equal(await talk(v4, 10000, "over v4"), "over v4");
        assert.equal(await talk(v6, 10000, "over v6"), "over v6");
        await api.destroy("edge", machine.id);
        await assert.rejects(talk(v4, 10000, "gone"), /ECONNREFUSED|ECONNRESET/);
    });

    it("forwards much data unchanged, at the pace of the slower side", async () => {
        const machine = await api.start("edge", serving(ECHO, [service(7000, [{ port: 10000 }])]));
        const data = randomBytes(24 * 1024 * 1024);
        const socket = connect({ host: v4, port: 10000, allowHalfOpen: true });
        const hash = createHash("sha256");
        let size = 0;
        const receive = (async () => {
            for await (const chunk of socket as AsyncIterable<Buffer>) {
                hash.update(chunk);
                size += chunk.length;
            }
        })();
        const chunks = Array.from({ length: 24 }, (_, at) =>
            data.subarray(at * 1024 * 1024, (at + 1) * 1024 * 1024),
        );
        await Promise.all([pipeline(Readable.from(chunks), socket), receive]);
        assert.equal(size, data.length);
        assert.equal(hash.digest("hex"), createHash("sha256").update(data).digest("hex"));
        await api.destroy("edge", machine.id);
    });

    it("accepts and closes when no machine is started", async () => {
        const machine = await api.start("edge", serving(ECHO, [service(7000, [{ port: 10000 }])]));
        await api.stop("edge", machine);
        const socket = connect({ host: v4, port: 10000 });
        socket.on("error", () => undefined);
        await new Promise((resolve) => socket.once("close", resolve));
        assert.equal(socket.bytesRead, 0);
        await api.destroy("edge", machine.id);
    });

    it("starts a stopped machine for a connection, where autostart allows it", async () => {
        const services = [service(7000, [{ port: 10000 }], { autostart: true })];
        const machine = await api.start("edge", serving(ECHO, services));
        await api.stop("edge", machine);
        assert.equal(await talk(v4, 10000, "wake up"), "wake up");
        const awake = await api.machine("edge", machine.id);
        assert.equal(awake.state, "started");
        assert.ok(awake.events.some((one) => one.source === "proxy" && one.type === "start"));
        await api.destroy("edge", machine.id);
    });

    it("waits for a machine that is being replaced", async () => {
        const config = serving(ECHO, [service(7000, [{ port: 10000 }])]);
        const machine = await api.start("edge", config);
        await api.ok("POST", `/apps/edge/machines/${machine.id}`, { config });
        assert.equal(await talk(v4, 10000, "patience"), "patience");
        await api.destroy("edge", machine.id);
    });

    it("breaks connections when their machine goes away", async () => {
        const machine = await api.start("edge", serving(ECHO, [service(7000, [{ port: 10000 }])]));
        const socket = connect({ host: v4, port: 10000 });
        socket.on("error", () => undefined);
        socket.write("hello");
        await new Promise((resolve) => socket.once("data", resolve));
        const closed = new Promise((resolve) => socket.once("close", resolve));
        await api.destroy("edge", machine.id);
        await closed;
    });

    it("skips cordoned machines, and shares the load among the rest", async () => {
        const say = (word: string) =>
            serving(`echo 'echo ${word}; sleep 1' > /tmp/s; nc -ll -p 7000 -e /bin/sh /tmp/s`, [
                service(7000, [{ port: 10000 }]),
            ]);
        const a = await api.start("edge", say("a"));
        const b = await api.start("edge", say("b"));
        const both = await Promise.all([talk(v4, 10000, ""), talk(v4, 10000, "")]);
        assert.deepEqual(both.map((word) => word.trim()).sort(), ["a", "b"]);
        await api.ok("POST", `/apps/edge/machines/${a.id}/cordon`);
        const rest = await Promise.all([talk(v4, 10000, ""), talk(v4, 10000, "")]);
        assert.deepEqual(
            rest.map((word) => word.trim()),
            ["b", "b"],
        );
        await api.ok("POST", `/apps/edge/machines/${a.id}/uncordon`);
        await api.destroy("edge", b.id);
        assert.equal((await talk(v4, 10000, "")).trim(), "a");
        await api.destroy("edge", a.id);
    });

    it("routes to a service only while its own check passes", async () => {
        const services = [
            service(7000, [{ port: 10000 }], {
                checks: [{ type: "http", port: 8080, path: "/ready", interval: "100ms" }],
            }),
        ];
        const command = `mkdir /tmp/w; ${ECHO} & httpd -f -p 8080 -h /tmp/w`;
        const machine = await api.start("edge", serving(command, services));
        const { checks } = await api.machine("edge", machine.id);
        assert.match(checks[0]?.name ?? "", /^servicecheck-00-http-8080$/);
        const refused = connect({ host: v4, port: 10000 });
        refused.on("error", () => undefined);
        await new Promise((resolve) => refused.once("close", resolve));
        await api.shell("edge", machine.id, "echo ok > /tmp/w/ready");
        await until("the check passes", async () => {
            const seen = await api.machine("edge", machine.id);
            return seen.checks[0]?.status === "passing";
        });
        assert.equal(await talk(v4, 10000, "ready"), "ready");
        await api.destroy("edge", machine.id);
    });

    /** Opens a connection that stays, and waits for the machine's answer. */
    async function enter(port: number): Promise<Socket> {
        const socket = connect({ host: v4, port });
        await new Promise((resolve, reject) => {
            socket.once("data", resolve);
            socket.once("close", () => reject(new Error("closed unanswered")));
            socket.once("error", reject);
            socket.write("hello");
        });
        return socket;
    }

    it("gives a service at most its hard limit of connections, whatever other services have", async () => {
        const concurrency = { type: "connections", soft_limit: 1, hard_limit: 2 };
        const services = [
            service(7000, [{ port: 10000 }], { concurrency }),
            service(7001, [{ port: 10001 }], { concurrency }),
            service(7002, [{ port: 10002 }]),
        ];
        const command = [7000, 7001, 7002].map((port) => `nc -ll -p ${port} -e /bin/cat`);
        const machine = await api.start("edge", serving(command.join(" & "), services));
        const inside = [await enter(10000), await enter(10000)];
        await assert.rejects(enter(10000), /closed unanswered|ECONNRESET/);
        inside.push(await enter(10001));
        inside[0]!.destroy();
        inside.push(await until("a place is free", () => enter(10000).catch(() => undefined)));
        // Without limits there is no hard limit, and the soft one refuses nobody.
        for (let i = 0; i < 26; i++) inside.push(await enter(10002));
        for (const socket of inside) socket.destroy();
        await api.destroy("edge", machine.id);
    });

    it("prefers the machine below its soft limit", async () => {
        const say = (word: string, soft_limit: number) =>
            serving(`echo 'echo ${word}; sleep 60' > /tmp/s; nc -ll -p 7000 -e /bin/sh /tmp/s`, [
                service(7000, [{ port: 10000 }], { concurrency: { soft_limit } }),
            ]);
        const small = await api.start("edge", say("small", 1));
        const large = await api.start("edge", say("large", 9));
        const seen: string[] = [];
        for (let i = 0; i < 5; i++) {
            const socket = connect({ host: v4, port: 10000 }).setEncoding("utf8");
            seen.push(await new Promise((resolve) => socket.once("data", resolve)));
        }
        const words = seen.map((word) => word.trim()).sort();
        assert.deepEqual(words, ["large", "large", "large", "large", "small"]);
        await api.destroy("edge", small.id);
        await api.destroy("edge", large.id);
    });

    it("tells a machine the client's address, with the PROXY protocol", async () => {
        const services = [
            service(7000, [
                { port: 10001, handlers: ["proxy_proto"] },
                { start_port: 10010, end_port: 10011 },
            ]),
        ];
        const machine = await api.start("edge", serving(ECHO, services));
        const answer = await talk(v4, 10001, "body");
        assert.match(answer, new RegExp(`^PROXY TCP4 127\\S+ ${v4} \\d+ 10001\r\nbody$`));
        assert.equal(await talk(v4, 10011, "range"), "range", "a range of ports leads in too");
        await api.destroy("edge", machine.id);
    });

    it("does not route a raw port of a shared address", async () => {
        await api.app("shared");
        const own = await pushImage(fly, "shared");
        const { ip } = await api.ok<{ ip: string }>("POST", "/apps/shared/ip_assignments", {
            type: "shared_v4",
        });
        const config = { ...serving(ECHO, [service(7000, [{ port: 10000 }])]), image: own };
        const machine = await api.start("shared", config);
        await assert.rejects(talk(ip, 10000, "raw"), /ECONNREFUSED/);
        await api.destroy("shared", machine.id);
    });
});
