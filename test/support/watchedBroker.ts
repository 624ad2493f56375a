/** A broker container with its monitor, and the monitor's answers. */
import { aclFile } from "../../broker/acl.ts";
import { GIVEN, type Series } from "../../broker/conf.ts";
import { givenConf, passwordLine } from "../../dev/harness/brokerConf.ts";
import { BrokerContainer, buildBroker, getFrom } from "../../dev/harness/brokerContainer.ts";
import { ADA, HOSTNAME } from "./brokerFixture.ts";
import { issue, makeAuthority, type Authority } from "../../dev/harness/certificates.ts";
import { until } from "../../dev/harness/until.ts";

export const BOB = { username: "bob", password: "bob's own password", servername: HOSTNAME };

/** Days until its certificates expire. */
export const DAYS = { server: 30, "ca-1": 400, "ca-2": 3000 };

/** Password and ACL file of a user who may do everything. */
export function filesOf({ username, password }: typeof ADA): { passwd: string; acl: string } {
    const nothing = { read: [], write: [], readWrite: [] };
    const users = [{ ...nothing, name: username, deny: [], everything: true as const }];
    const acl = aclFile({ users, everyone: nothing, internal: [] });
    return { passwd: passwordLine(username, password), acl };
}

/** A broker with the user ADA that publishes its $SYS every second. */
export async function startWatched(
    series: Series,
): Promise<{ broker: BrokerContainer; authority: Authority; files: Record<string, string> }> {
    const image = await buildBroker(series);
    const authority = await makeAuthority();
    const certificate = await issue(authority, [HOSTNAME]);
    const ends = Object.entries(DAYS).map(
        ([name, days]) => `${name} ${Math.floor(Date.now() / 1000) + days * 86400}\n`,
    );
    const conf = Object.entries(givenConf()).map(([name, text]) => [
        name,
        `sys_interval 1\n${text}`,
    ]);
    const files: Record<string, string> = {
        "server.crt": certificate.chain,
        "server.key": certificate.key,
        expiry: ends.join(""),
        ...filesOf(ADA),
    };
    const given = Object.entries(files).map(([name, text]) => [`${GIVEN}/${name}`, text]);
    const broker = await BrokerContainer.create({
        image,
        // As on Fly: an init process reaps ended processes, which otherwise count as running.
        host: { Init: true },
        env: { MOSQUITTO_FILES: "c2VjcmV0IHBhc3N3b3Jkcw==" },
        files: {
            ...(Object.fromEntries([...given, ...conf]) as Record<string, string>),
        },
    });
    await broker.start();
    return { broker, authority, files };
}

/** Waits until the health check passes. */
export async function healthy(broker: BrokerContainer): Promise<void> {
    await until("the health check passes", async () => {
        const answer = await getFrom(broker, "/health").catch(() => undefined);
        return answer?.status === 200;
    });
}

/** The metrics' text, once it is as requested. */
export async function metricsWith(
    broker: BrokerContainer,
    asked: (values: Map<string, number>) => boolean,
): Promise<string> {
    let text = "";
    await until("the metrics", async () => {
        ({ text } = await getFrom(broker, "/metrics").catch(() => ({ text: "" })));
        return asked(valuesIn(text));
    });
    return text;
}

/** Every sample by its name, with and without its labels. */
export function valuesIn(text: string): Map<string, number> {
    const samples = [...text.matchAll(/^(mosquitto_\w+)(\{.*\})? (\S+)$/gm)];
    return new Map(
        samples.flatMap(([, name, labels, value]): [string, number][] => [
            [name!, Number(value)],
            [name! + (labels ?? ""), Number(value)],
        ]),
    );
}

/** PIDs of the machine's processes with that name. */
export async function pidsOf(broker: BrokerContainer, name: string): Promise<string[]> {
    const script = `grep -lx '${name}' /proc/[0-9]*/comm | cut -d/ -f3`;
    return (await broker.exec("sh", "-c", script)).trim().split("\n");
}
