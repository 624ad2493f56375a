/**
 * Keeps a replacement from deleting its own successor.
 *
 * `pulumi up --replace`, `pulumi state taint` and a new logical name make the engine create with the
 * same inputs first and delete the old state afterwards. Fly's objects are found by name, so the
 * "new" object is the old one, and the delete would destroy what the stack uses from then on. The
 * engine diffs each object that the program still has, or creates it, before it deletes anything
 * that the program has not. So what this run has diffed without a replacement, created or updated
 * is in use, and its deletion has nothing to do. A run that was killed between the two leaves the
 * delete to the next one, which diffs the successor first.
 *
 * A refresh diffs too, and objects that the program no longer has: those must go. The engine checks the
 * inputs of what the program declares before it diffs them, and a refresh comes before the program.
 */
import { PartialFailure, type Provider } from "./provider.ts";

/** One run of the engine, which all its providers share. */
export interface Run {
    /** Whether the program has begun to declare resources. */
    declaring: boolean;
}

/** @param kind for the line that tells of an object that is kept */
export function succeeding<Inputs extends object, Outputs extends object>(
    kind: string,
    provider: Provider<Inputs, Outputs>,
    run: Run,
): Provider<Inputs, Outputs> {
    const inUse = new Set<string>();
    const replaced = new Set<string>();
    // A shared address is the same for every app.
    const keyOf = (id: string, { app }: { readonly app?: string }) => JSON.stringify([app, id]);
    return {
        ...provider,

        check(olds, news) {
            run.declaring = true;
            return provider.check(olds, news);
        },

        async diff(id, olds, news) {
            const result = await provider.diff(id, olds, news);
            if (run.declaring) {
                const found = (result.replaces ?? []).length === 0 ? inUse : replaced;
                found.add(keyOf(id, olds));
            }
            return result;
        },

        async create(inputs) {
            try {
                const created = await provider.create(inputs);
                inUse.add(keyOf(created.id, inputs));
                return created;
            } catch (error) {
                if (error instanceof PartialFailure) {
                    inUse.add(keyOf(error.id, inputs));
                }
                throw error;
            }
        },

        async delete(id, props) {
            if (inUse.has(keyOf(id, props))) {
                console.log(
                    `${kind} ${id}: is the same as its successor in the stack, so it is kept`,
                );
                return;
            }
            // What may replace a protected object is said where its inputs are checked.
            const isReplaced = replaced.has(keyOf(id, props));
            await provider.delete(id, isReplaced ? { ...props, protectedBy: undefined } : props);
        },
    };
}
