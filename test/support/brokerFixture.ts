import { aclFile } from "../../broker/acl.ts";
import type { Series } from "../../broker/conf.ts";
import { VERIFIER, VERIFIER_ACCESS } from "../../verification/verifier.ts";
import { until } from "../../dev/harness/until.ts";
import { givenConf, passwordLine } from "../../dev/harness/brokerConf.ts";
import {
    BrokerContainer,
    buildBroker,
    makeVolume,
    newBundle,
    removeVolume,
    type BrokerOptions,
} from "../../dev/harness/brokerContainer.ts";
import { issue, makeAuthority, type Authority } from "../../dev/harness/certificates.ts";

export const HOSTNAME = "appkata-test.fly.dev";
export const ADA = { username: "ada", password: "ada's own password", servername: HOSTNAME };
const NOTHING = { read: [], write: [], readWrite: [], deny: [] };
const SECRETS = {
    MOSQUITTO_FILES: "c2VjcmV0IGtleQ==",
};

/** Matches no line of a healthy broker's log; sqlite reports failures as a number, which is 0. */
export const TROUBLE = /warn|error|deprecat|unable|denied|fail(?!ed\))|[1-9]\d* failed/i;

/**
 * Brokers of one series for a suite, with ada and the verification's user, a container per start. Removes what
 * a test leaves.
 */
export class BrokerFixture {
    image!: string;
    authority!: Authority;
    /** A container's files: path → content. */
    files!: Record<string, string>;
    readonly #containers: BrokerContainer[] = [];
    readonly #volumes: string[] = [];

    constructor(series: Series) {
        before(async () => {
            this.image = await buildBroker(series);
            this.authority = await makeAuthority();
            const certificate = await issue(this.authority, [HOSTNAME]);
            this.files = {
                "/etc/appkata/server.crt": certificate.chain,
                "/etc/appkata/server.key": certificate.key,
                "/etc/appkata/passwd":
                    passwordLine(ADA.username, ADA.password) + passwordLine(VERIFIER, ADA.password),
                "/etc/appkata/acl": aclFile({
                    users: [{ ...NOTHING, name: ADA.username, everything: true }],
                    everyone: NOTHING,
                    internal: [VERIFIER_ACCESS],
                }),
                ...givenConf(),
            };
        });

        afterEach(async () => {
            for (const container of this.#containers.splice(0)) await container.remove();
            for (const volume of this.#volumes.splice(0)) await removeVolume(volume);
        });
    }

    async start(
        more: Partial<Pick<BrokerOptions, "volume" | "files" | "host">> = {},
    ): Promise<BrokerContainer> {
        const { image, files } = this;
        const broker = await BrokerContainer.create({ image, env: SECRETS, files, ...more });
        this.#containers.push(broker);
        await broker.start();
        return broker;
    }

    async newVolume(): Promise<string> {
        const volume = await makeVolume();
        this.#volumes.push(volume);
        return volume;
    }

    /** Removes it before the test's end, for example to free its volume. */
    async remove(broker: BrokerContainer): Promise<void> {
        await broker.remove();
        this.#containers.splice(this.#containers.indexOf(broker), 1);
    }
}

/**
 * A container's files: a certificate for HOSTNAME, ada, who may do everything but $SYS, and the
 * configuration.
 */
export async function filesForAda(
    authority: Authority,
    conf: Record<string, string> = givenConf(),
): Promise<Record<string, string>> {
    const { chain, key } = await issue(authority, [HOSTNAME]);
    return {
        ...givenFiles({
            "server.crt": chain,
            "server.key": key,
            passwd: passwordLine(ADA.username, ADA.password),
            acl: `user ${ADA.username}\ntopic readwrite #\n`,
        }),
        ...conf,
    };
}

/** Files by their name in the machine, in a container's form: path → content. */
export function givenFiles(files: Readonly<Record<string, string>>): Record<string, string> {
    return Object.fromEntries(
        Object.entries(files).map(([name, text]) => [`/etc/appkata/${name}`, text]),
    );
}

/** The secret with these files, as `broker-files` reads it. */
export function secretLine(files: Readonly<Record<string, string>>): string {
    return `MOSQUITTO_FILES ${newBundle(files).toString("base64")}\n`;
}

/** Applies them to the running broker, as an `up` does, and waits for its reload. */
export async function applyFiles(
    broker: BrokerContainer,
    files: Readonly<Record<string, string>>,
): Promise<void> {
    await broker.put({ "/run/given": secretLine(files) });
    const before = (await broker.log()).length;
    const applied = await broker.exec("sh", "-c", "broker-files apply </run/given");
    if (applied !== "applied\n") throw new Error(applied);
    // The broker handles the signal between packets.
    await until("the broker has reloaded", async () =>
        /Reloading config/.test((await broker.log()).slice(before)),
    );
}
