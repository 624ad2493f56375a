/** A broker that receives malformed input, with another client beside that must notice nothing. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { MqttClient } from "mqtt";
import type { BrokerConf, Series } from "../../../broker/conf.ts";
import { say } from "../../../lib/process.ts";
import { logInTo } from "../../support/brokerClient.ts";
import { givenConf, passwordLine } from "../../../dev/harness/brokerConf.ts";
import { BrokerContainer, buildBroker } from "../../../dev/harness/brokerContainer.ts";
import { issue, makeAuthority, type Authority } from "../../../dev/harness/certificates.ts";

export const HOSTNAME = "appkata-fuzz.fly.dev";
export const USERS = { bystander: "the bystander's password", fuzz: "the fuzzer's password" };

/**
 * The same cases in each `npm test` and `test:all`; `npm run test:fuzz` takes new ones each time, or `-- wire
 * SEED`.
 */
const wanted = process.env.APPKATA_CASES ?? "sample";
export const SAMPLE = wanted === "sample";
export const SEED = SAMPLE ? 5 : /^-?\d+$/.test(wanted) ? Number(wanted) : Date.now();

/** Extra memory that the broker may hold afterwards: the allocator keeps some of what it once had. */
export const MORE_MB = 4;
const RETURN_MS = 10_000;

export class Target {
    readonly broker: BrokerContainer;
    readonly authority: Authority;
    #bystander: MqttClient | undefined;
    #lost = 0;
    #process: unknown;
    #megabytes = 0;

    private constructor(broker: BrokerContainer, authority: Authority) {
        this.broker = broker;
        this.authority = authority;
    }

    /** Starts a broker, with a client that is logged in and subscribed. */
    static async start(series: Series, conf?: BrokerConf): Promise<Target> {
        const authority = await makeAuthority();
        const certificate = await issue(authority, [HOSTNAME]);
        const lines = Object.entries(USERS).map(([name, word]) => passwordLine(name, word));
        const grants = Object.keys(USERS).map(
            (name) => `user ${name}\ntopic readwrite ${name}/#\n`,
        );
        const broker = await BrokerContainer.create({
            image: await buildBroker(series),
            files: {
                "/etc/appkata/server.crt": certificate.chain,
                "/etc/appkata/server.key": certificate.key,
                "/etc/appkata/passwd": lines.join(""),
                "/etc/appkata/acl": grants.join(""),
                ...givenConf(conf),
            },
        });
        const target = new Target(broker, authority);
        try {
            await broker.start();
            await target.#watch();
        } catch (error) {
            await target.remove();
            throw error;
        }
        return target;
    }

    async #watch(): Promise<void> {
        this.#bystander = await logInTo(this.broker, this.authority, {
            ...{ username: "bystander", password: USERS.bystander, servername: HOSTNAME },
            // Creating so many packets keeps this process from its pings for seconds.
            ...{ clientId: "bystander", clean: false, keepalive: 60 },
        });
        this.#bystander.on("close", () => this.#lost++);
        await this.#bystander.subscribeAsync("bystander/#", { qos: 1 });
    }

    async remove(): Promise<void> {
        this.#bystander?.end(true);
        await this.broker.remove();
    }

    /** The memory to compare with, once all kinds of input have been in it. */
    async remember(): Promise<void> {
        this.#process = await this.#processOf();
        this.#megabytes = await this.#heldMb();
    }

    async #processOf(): Promise<unknown> {
        const { State } = await this.broker.container.inspect();
        return [State.Pid, State.StartedAt];
    }

    async #heldMb(): Promise<number> {
        const status = await this.broker.exec("cat", "/proc/1/status");
        return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) / 1024;
    }

    /** @returns the broker's log meanwhile */
    async standsFirm(count: number, send: () => Promise<void>): Promise<string> {
        const logged = (await this.broker.log()).length;
        const begun = Date.now();
        await send();
        const log = (await this.broker.log()).slice(logged);
        if (!SAMPLE) say(`${count} in ${((Date.now() - begun) / 1000).toFixed(0)} s`);
        assert.deepEqual(await this.#processOf(), this.#process, log.slice(-2000));
        return log;
    }

    async bystanderNoticedNothing(): Promise<void> {
        const bystander = this.#bystander!;
        assert.equal(this.#lost, 0);
        const message = new Promise<string>((resolve) =>
            bystander.once("message", (topic, payload) =>
                resolve(`${topic} ${payload.toString()}`),
            ),
        );
        await bystander.publishAsync("bystander/a", "still here", { qos: 1 });
        assert.equal(await message, "bystander/a still here");
        assert.equal(this.#lost, 0);
    }

    /** @param ms how long the broker may take to free it all */
    async memoryReturned(ms = RETURN_MS): Promise<void> {
        const most = this.#megabytes + MORE_MB;
        const deadline = Date.now() + ms;
        let now = await this.#heldMb();
        while (now > most && Date.now() < deadline) {
            await sleep(100);
            now = await this.#heldMb();
        }
        const found = `${this.#megabytes.toFixed(1)} MB before, ${now.toFixed(1)} MB after`;
        if (!SAMPLE) say(found);
        assert.ok(now <= most, found);
    }
}
