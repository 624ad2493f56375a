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

/** What no line of a healthy broker's log has; sqlite counts its failures, of which there are 0. */
export const TROUBLE = /warn|error|deprecat|unable|denied|fail(?!ed\))|[1-9]\d* failed/i;

/**
 * Brokers of a suite on a series, with ada and the verification's user, a container a start; what a
 * test leaves is removed after it.
 */
export class BrokerFixture {
    image!: string;
    authority!: Authority;
    /** What a container is given: path → content. */
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

    /** Before the test's end, as for its volume to be another's. */
    async remove(broker: BrokerContainer): Promise<void> {
        await broker.remove();
        this.#containers.splice(this.#containers.indexOf(broker), 1);
    }
}

/**
 * What a container is given: a certificate for HOSTNAME, ada, who may do everything but $SYS, and the
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

/** Files by the machine's name for them, as a container is given them: path → content. */
export function givenFiles(files: Readonly<Record<string, string>>): Record<string, string> {
    return Object.fromEntries(
        Object.entries(files).map(([name, text]) => [`/etc/appkata/${name}`, text]),
    );
}

/** What `broker-files` reads of the secret that carries them. */
export function secretLine(files: Readonly<Record<string, string>>): string {
    return `MOSQUITTO_FILES ${newBundle(files).toString("base64")}\n`;
}

/** Has the running broker take them, as an `up` does; done when it has. */
export async function applyFiles(
    broker: BrokerContainer,
    files: Readonly<Record<string, string>>,
): Promise<void> {
    await broker.put({ "/run/given": secretLine(files) });
    const before = (await broker.log()).length;
    const applied = await broker.exec("sh", "-c", "broker-files apply </run/given");
    if (applied !== "applied\n") throw new Error(applied);
    // The broker turns to the signal between packets.
    await until("it is taken", async () =>
        /Reloading config/.test((await broker.log()).slice(before)),
    );
}
