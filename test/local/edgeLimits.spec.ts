// core
import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { until } from "../../dev/harness/until.ts";
import { EdgeFixture, service } from "./support/edgeFixture.ts";

describe("local Fly: the edge's limits of connections", function () {
    this.timeout(60_000);
    const on = new EdgeFixture();

    /** Opens a connection that stays, and waits for the machine's answer. */
    async function enter(port: number): Promise<Socket> {
        const socket = connect({ host: on.v4, port });
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
        const machine = await on.api.start("edge", on.serving(command.join(" & "), services));
        const inside = [await enter(10000), await enter(10000)];
        await assert.rejects(enter(10000), /closed unanswered|ECONNRESET/);
        inside.push(await enter(10001));
        inside[0]!.destroy();
        inside.push(await until("a place is free", () => enter(10000).catch(() => undefined)));
        // Without limits there is no hard limit, and the soft one refuses nobody.
        for (let i = 0; i < 26; i++) inside.push(await enter(10002));
        for (const socket of inside) socket.destroy();
        await on.api.destroy("edge", machine.id);
    });

    it("prefers the machine below its soft limit", async () => {
        const say = (word: string, soft_limit: number) =>
            on.serving(`echo 'echo ${word}; sleep 60' > /tmp/s; nc -ll -p 7000 -e /bin/sh /tmp/s`, [
                service(7000, [{ port: 10000 }], { concurrency: { soft_limit } }),
            ]);
        const small = await on.api.start("edge", say("small", 1));
        const large = await on.api.start("edge", say("large", 9));
        const seen: string[] = [];
        for (let i = 0; i < 5; i++) {
            const socket = connect({ host: on.v4, port: 10000 }).setEncoding("utf8");
            seen.push(await new Promise((resolve) => socket.once("data", resolve)));
        }
        const words = seen.map((word) => word.trim()).sort();
        assert.deepEqual(words, ["large", "large", "large", "large", "small"]);
        await on.api.destroy("edge", small.id);
        await on.api.destroy("edge", large.id);
    });
});
