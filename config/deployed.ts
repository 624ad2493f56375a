/**
 * What the last `up` left of certificates in the stack's state. A preview that renews one knows
 * nothing of its end any more, and no resource tells what was trusted before.
 */
import * as pulumi from "@pulumi/pulumi";

export interface Deployed {
    /** By generation: when the CA's certificate ends, and when the one ends that clients may have. */
    authorities: Map<number, { end: Date; held: Date }>;
    /** When the server certificate ends; undefined before the first `up`. */
    server: Date | undefined;
}

/** The stack's output `expiry`: dates in ISO 8601, those of the CA by generation. */
export interface Expiry {
    server: string;
    ca: Record<string, string>;
}

/** Outputs of a stack's resources by URN, as the engine gives them. */
type State = Readonly<Record<string, { type: string; outputs: Readonly<Record<string, unknown>> }>>;

export async function readDeployed(): Promise<Deployed> {
    const names = [pulumi.getOrganization(), pulumi.getProject(), pulumi.getStack()];
    const { outputs } = (await pulumi.runtime.invoke("pulumi:pulumi:readStackResourceOutputs", {
        stackName: names.join("/"),
    })) as { outputs: State };
    return deployedFrom(outputs, new Date());
}

export function deployedFrom(state: State, now: Date): Deployed {
    const deployed: Deployed = { authorities: new Map(), server: undefined };
    const stack = Object.values(state).find(({ type }) => type === "pulumi:pulumi:Stack");
    const before = (stack?.outputs.expiry as Expiry | undefined)?.ca ?? {};
    for (const [urn, { type, outputs }] of Object.entries(state)) {
        const name = urn.slice(urn.lastIndexOf("::") + 2);
        if (!urn.includes("appkata-mqtt:index:Certificates$tls:")) continue;
        const end = new Date(String(outputs.validityEndTime));
        if (type === "tls:index/selfSignedCert:SelfSignedCert") {
            const generation = name === "ca" ? 1 : Number(name.replace("ca-", ""));
            const old = new Date(before[generation] ?? end);
            const held = old > now && old < end ? old : end;
            deployed.authorities.set(generation, { end, held });
        } else if (type === "tls:index/locallySignedCert:LocallySignedCert" && name === "server") {
            deployed.server = end;
        }
    }
    return deployed;
}
