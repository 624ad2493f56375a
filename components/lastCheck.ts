import * as pulumi from "@pulumi/pulumi";
import { FlyClient } from "../providers/fly/api/client.ts";
import { dataWarnings } from "../verification/dataWarnings.ts";
import { machineProblem, othersThere, type Deployment } from "../verification/deployment.ts";
import type { Endpoint } from "../verification/target.ts";
import { answersWithOurCertificate } from "../verification/trust.ts";

export interface LastCheckArgs {
    endpoint: string;
    token: string | undefined;
    machine: pulumi.Output<Deployment>;
    /** Where clients reach the broker. */
    target: pulumi.Output<Omit<Endpoint, "deadlineSeconds">>;
    /** The verification's report: the check comes after it, at each `up`. */
    report: pulumi.Input<string>;
}

/** For one answer, and for an address that answers late. */
const ANSWER_MS = 5_000;
const ANSWERS_WITHIN_S = 15;

/**
 * Gives the report as it is, once the machine runs, is healthy, answers and is the only broker, also where this `up` has changed
 * nothing of it; otherwise the `up` fails. Warns of what the broker's last start found of its data. A preview
 * asks nothing of the machine: it may be about to be replaced. The warnings are no part of the report: an
 * output that only an `up` can know differs at each preview.
 */
export function checkedReport(args: LastCheckArgs): pulumi.Output<string> {
    const { endpoint, token } = args;
    return pulumi
        .all([args.machine, args.target, args.report])
        .apply(async ([machine, target, report]) => {
            if (pulumi.runtime.isDryRun()) return report;
            const client = new FlyClient({ endpoint, token });
            const down =
                (await machineProblem(client, machine).catch(notKnown)) ??
                (await addressProblem(target));
            if (down !== undefined) throw new pulumi.RunError(`The broker is down: ${down}.`);
            const others = await othersThere(client, machine);
            const wrong = others.filter(({ kind }) => kind === "here");
            if (wrong.length > 0) {
                const lines = wrong.map(({ text }) => `\n  - ${text}`).join("");
                throw new pulumi.RunError(`The broker is not alone:${lines}`);
            }
            for (const { text } of others) await pulumi.log.warn(text);
            const { app, machineId } = machine;
            const lines = await dataWarnings(client, app, machineId).catch((error: Error) => [
                `data - whether any was put aside is not known: ${error.message}`,
            ]);
            for (const line of lines) await pulumi.log.warn(line);
            return report;
        });
}

function notKnown(error: Error): string {
    return `whether its machine runs is not known: ${error.message}`;
}

/** Dialled only where the machine runs: Fly's proxy starts one that is stopped for whoever comes. */
async function addressProblem(
    target: Omit<Endpoint, "deadlineSeconds">,
): Promise<string | undefined> {
    try {
        const endpoint = { ...target, deadlineSeconds: ANSWERS_WITHIN_S };
        await answersWithOurCertificate(endpoint, ANSWER_MS);
        return undefined;
    } catch (error) {
        const { address, port } = target;
        return `its machine is healthy, but ${address} port ${port} is not: ${(error as Error).message}`;
    }
}
