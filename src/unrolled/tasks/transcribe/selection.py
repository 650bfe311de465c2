"""What the epochs of a transcriber are chosen by beside the loss: the label error rate of answers that cost
little, the likeliest output of each step; of an HMM its best path."""

from unrolled.errors import ConfigError
from unrolled.files.messages import option
from unrolled.tasks import distances
from unrolled.tasks.selection import Selection, by_answers, judged
from unrolled.tasks.transcribe.config import TranscribeDecoding
from unrolled.tasks.transcribe.criterion import Criterion
from unrolled.tasks.transcribe.examples import Examples
from unrolled.tasks.transcribe.network import Network, outputs, together
from unrolled.training.selection import LOSS

GREEDY = TranscribeDecoding(decoder="greedy")


def selection(select: str, criterion: Criterion, validation: Examples) -> Selection:
    """ConfigError where there are no labels to be wrong about."""
    if select == LOSS:
        return Selection()
    places = judged(len(validation.rows))
    some = Examples([validation.rows[i] for i in places], [validation.labels[i] for i in places])
    if not any(map(len, some.labels)):
        raise ConfigError(
            f"{option('select', select)} counts wrong labels, and the transcripts of the validation part are "
            "empty; leave it out"
        )
    return by_answers(
        select, lambda network: label_error(criterion, network, some), len(validation.rows), "sequence"
    )


def label_error(criterion: Criterion, network: Network, examples: Examples) -> float:
    answers, truths = [], []
    for indices in together(network, examples.lengths):
        batch = examples.collate(indices)
        log_p, steps = (one.numpy() for one in outputs(network, batch.x, batch.lengths))
        each = criterion.answers(network, log_p, steps, GREEDY)
        answers += [best.labels.tolist() for best, *_ in each]
        truths += [[examples.labels[i].tolist()] for i in indices]
    return distances.error_rate(answers, truths)
