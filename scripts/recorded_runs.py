"""The runs whose bits are recorded: a line each, of its name, its file (recorded_files.py) and its options.

Each value of each option comes up at least once, and cells, directions and heads in many pairs, not in all.
"""

from typing import NamedTuple

SMALL = "--hidden 5 --epochs 2 --batch-size 8"
CHARACTERS = "--source-tokens characters --target-tokens characters"
SAMPLED = "predict {file} --sample --temperature 0.8 --top-k 3 --top-p 0.9 --sample-seed 2"
# Of each task: the options of all its runs, and what is asked of each model beside `predict` and `evaluate`.
USUAL = {
    "classify": f"{SMALL} --bidirectional off --members 1",
    "regress": f"{SMALL} --bidirectional off --members 1",
    "tag": f"{SMALL} --embedding-size 4 --character-size 3 --character-hidden 3 --affix-size 2",
    "language": f"{SMALL} --embedding-size 4 --window 20",
    "forecast": f"{SMALL} --window 12 --horizon 3 --sample-paths 20 --most-origins 20 --refit off",
    "detect": f"{SMALL} --window 12 --validation 0.2 --target load",
    "transcribe": f"{SMALL} --layers 1",
    "translate": f"{SMALL} --embedding-size 4 --target-embedding-size 3 --longest 9 {CHARACTERS}",
    "template": "",
    "caption": f"{SMALL} --code-size 5 --filters 2 --stages 1 --target-embedding-size 3 --longest 9",
}
ASKED = {
    "language": [
        "generate --length 40 --seed 3",
        "generate --length 40 --greedy --prime an",
        "generate --length 40 --number 2 --stop an --json",
    ],
    "forecast": [
        "generate --length 6",
        "generate --length 6 --seed 3 --sample",
        "generate --length 6 --prime {file}",
        "stream --ahead 4",
    ],
    "detect": ["predict {file} --episodes"],
    "transcribe": ["predict {file} --decoder greedy", "predict {file} --beam 3 --best 2"],
    "translate": [
        "predict {file} --beam 1",
        "predict {file} --beam 4 --best 2 --length-penalty 0.5",
        SAMPLED,
    ],
    "caption": ["predict {file} --best 2 --beam 4", SAMPLED, "predict {file} --sample --sample-seed 5"],
}

CLASSIFY = """
plain             moves     --pooling last
mean-both         moves     --pooling mean --cell lstm --bidirectional on --merge sum --layers 2 --dropout 0.2
max-unequal       moves     --pooling max --bidirectional on --backward-hidden 3
attention-reverse moves     --pooling attention --reverse --cell mgu --class-weights balanced
lasting-mean      moves     --pooling mean --cell mgu --layer-norm --layers 3 --label-smoothing 0.1
lasting-max       moves     --pooling max --cell rnn --nonlinearity relu --bias off --optimizer sgd
noisy             moves     --noise 0.1 --time-mask 0.2 --feature-mask 0.2 --cell lstm --projection 3
dropped           moves     --input-dropout 0.2 --output-dropout 0.3 --recurrent-dropout 0.2 --keep-every 2
sgd               moves     --optimizer sgd --momentum 0.9 --clip 0 --learning-rate 0.1
merged-product    moves     --bidirectional on --merge product --variational-dropout 0.3 --schedule cosine
merged-mean       moves     --bidirectional on --merge mean --cell lstm --zoneout 0.1 --cell-zoneout 0.2
learned-start     moves     --learn-initial-state --cell lstm --peephole --bidirectional on --pooling max
chrono            moves     --init chrono --cell lstm --peephole --pooling last
orthogonal        moves     --init orthogonal --cell mgu --init-scale 12 --recurrent-rate 0.1
chosen-columns    moves     --id id --time step --target label --optimizer adamw --weight-decay 0.1
groups            moves     --id id --group id
texts             reviews   --embedding-size 4 --pooling last
texts-dropped     reviews   --embedding-size 4 --word-dropout 0.3
texts-characters  reviews   --embedding-size 4 --tokens characters --least-count 3 --cell lstm
texts-bpe         reviews   --embedding-size 4 --tokens bpe --most-symbols 270 --bidirectional on
texts-symbols     reviews   --embedding-size 4 --tokens symbols --pooling max --unicode nfkc
texts-tab         tabbed    --embedding-size 4 --unicode none
texts-fasttext    fasttext  --embedding-size 4 --skip-wrong
json-lines        objects   --missing ?
ucr               ucr       --pooling last
texts-vectors     reviews   --embedding-size 4 --vectors vectors.txt --cell gru --reset-after off
texts-named       reviews   --embedding-size 4 --text text --target label --most-symbols 5
own-scale         moves     --scale sequence --pooling last --pooling max --pooling attention
front             moves     --front conv --subsample 2 --bidirectional on --scale pooled
texts-front       reviews   --embedding-size 4 --front conv --input-dropout 0.3 --pooling mean --pooling max
recordings        tones     --mels 8 --frame-ms 20 --hop-ms 8 --low-hz 50 --high-hz 3500
recordings-running tones    --mels 8 --front none --subsample 1 --level running --scale running
recordings-own    tones     --mels 8 --level recording --augment off
recordings-loud   spoken    --mels 8 --level none --align off ; predict {file} --piece-seconds 0.3
resampled         tones     --mels 8 --rate-hz 6000 --sound-channel 1 --min-seconds 0.11
images            digits    --pooling mean
ts                archive   --cell gru --layer-norm
one-feature       moves     --features x --id id --cell rnn --nonlinearity sigmoid
members           moves     --members 3 --cell lstm --pooling max
multi-label       topics    --embedding-size 4 --multi-label --label-separator + --class-weights balanced
multi-label-lists listed    --multi-label --label-threshold 0.4 --label-smoothing 0.1 --members 2 \
                            --select micro-f1
ordinal           grades    --ordinal --class-order low,mid,high --class-weights balanced --select kappa
ordinal-members   ucr       --ordinal --members 2 --select rank-error --label-smoothing 0.1
"""

REGRESS = """
plain             amounts   --pooling last
rows              rows      --wide rows --no-header --target 1
both              amounts   --bidirectional on --layers 2 --cell lstm --coupled-input-forget --pooling mean
max               amounts   --pooling max --cell rnn --learn-initial-state --noise 0.1
dropped           amounts   --cell lstm --cells-per-block 2 --hidden 6 --output-dropout 0.2 --reverse
noisy             amounts   --noise 0.1 --time-mask 0.2 --feature-mask 0.2 --input-dropout 0.1 --features x
subsampled        amounts   --subsample 3 --front none --bidirectional on
recordings        pitches   --mels 8 --level recording --augment off --scale sequence
recordings-loud   spoken    --mels 8 --level none --align off ; predict {file} --piece-seconds 0.3
recordings-running pitches  --mels 8 --level running --front none --subsample 1 --scale running
texts-characters  prices    --embedding-size 4 --tokens characters --cell lstm --forget-bias 1.0
members           prices    --embedding-size 4 --members 2 --pooling mean
texts-bpe         prices    --embedding-size 4 --tokens bpe --most-symbols 270 --text text --target target
texts             prices    --embedding-size 4 --tokens words
texts-vectors     prices    --embedding-size 4 --vectors vectors.txt --pooling mean --cell mgu
"""

TAG = """
words             treebank
words-forward     treebank  --bidirectional off --cell gru --layers 2 --dropout 0.2
words-plain       treebank  --character-hidden 0 --input-dropout 0 --output-dropout 0 --rare-word-dropout 0 \
                            --word-dropout 0 --character-dropout 0 --affix-size 0
words-norm        treebank  --layer-norm --bidirectional off --least-count 2 --learn-initial-state
words-vectors     treebank  --vectors vectors.txt --backward-hidden 4 --class-weights balanced
words-few         treebank  --most-symbols 4 --merge mean --cell rnn
words-mgu         treebank  --cell mgu --bidirectional off --zoneout 0.2 --character-hidden 0
words-crf         treebank  --crf --bidirectional off --cell rnn --nonlinearity sigmoid
entities          entities
entities-loose    entities  --constraints off --cell gru --reset-after off
entities-crf      entities  --crf
entities-iob1     entities  --scheme iob1 --affix-size 0
entities-iob2     entities  --scheme iob2 --word-dropout 0.2 --character-dropout 0.1
entities-none     entities  --scheme none --affix-size 3 --character-hidden 0
entities-bioes    bioes     --scheme bioes --crf --affix-size 3
entities-bilou    bilou     --scheme bilou --bidirectional off --affix-size 2
crf-forward       entities  --crf --bidirectional off --peephole
crf-loose         entities  --crf --constraints off --merge product --bidirectional on
bound-forward     entities  --bidirectional off --cell lstm --projection 3
steps             phases    --bidirectional off
steps-both        phases    --merge sum --layers 2 --cell lstm --coupled-input-forget
steps-crf         phases    --crf --cell gru --features x
steps-window      phases    --bidirectional off --window 3 --cell gru
steps-windows     phases    --window 3 --lookahead 2 --cell gru
words-windows     treebank  --window 4 --lookahead 1 --character-hidden 0
steps-named       phases    --id id --time step --target tag --features x --features y --bidirectional off
members           treebank  --members 2 --crf --character-hidden 0
steps-members     phases    --members 3 --bidirectional off --window 3
tags-named        treebank  --column upos --variational-dropout 0.2 --character-hidden 0
"""

DETECT = """
recursive         outages   --truth outage --strategy recursive
plain             outages
column            outages   --truth outage --output studentt --warmup 20 --smooth 3
windows           outages   --windows known.txt --scale window --transform none --false-alarms 0.05 \
                            --join 2 --members 2 --refit
logarithms        outages   --truth outage --transform log
roots             outages   --truth outage --transform sqrt --scale pooled
powers            outages   --truth outage --transform boxcox --scale series
"""

LANGUAGE = """
characters        book
rnn               book      --cell rnn --nonlinearity tanh
relu              book      --cell rnn --nonlinearity relu --layers 2
sigmoid           book      --cell rnn --nonlinearity sigmoid --bias off
lstm              book      --cell lstm --layers 2 --dropout 0.2 --learn-initial-state
peephole          book      --cell lstm --peephole --zoneout 0.1 --cell-zoneout 0.05
coupled           book      --cell lstm --coupled-input-forget --layer-norm
norm              book      --cell lstm --layer-norm --peephole
blocks            book      --cell lstm --cells-per-block 2 --hidden 6 --peephole --layer-norm
projection        book      --cell lstm --projection 3 --forget-bias 1.0
gru-before        book      --cell gru --reset-after off --learn-initial-state
gru-norm          book      --cell gru --layer-norm --layers 2
mgu               book      --cell mgu --recurrent-dropout 0.1
mgu-norm          book      --cell mgu --layer-norm --variational-dropout 0.2 --keep-every 3
random            book      --sampling random --output-dropout 0.3 --input-dropout 0.2
one-hot           book      --embedding none --embedding-size 128 --init normal --output-dropout 0
one-hot-lstm      book      --embedding none --embedding-size 128 --cell lstm --hidden 12
chrono            book      --init chrono --init-scale 30 --layers 2
orthogonal        book      --init orthogonal --init-scale 30 --cell rnn --nonlinearity tanh
through           book      --backprop-windows 3 --cell rnn --init normal --init-scale 0.1
words             book      --tokens words --least-count 2
words-spaced      book      --tokens spaced-words --samples-every 1 --prime an --samples-length 9
words-frozen      book      --tokens words --vectors vectors.txt --freeze-vectors
words-tied        book      --tokens words --tie --hidden 5 --embedding-size 5
words-tied-apart  book      --tokens words --tie --cell lstm --most-symbols 9
words-vectors     book      --tokens words --vectors vectors.txt
bpe               book      --tokens bpe --most-symbols 280
characters-unread book      --character-dropout 0.2
words-unread      book      --tokens words --word-dropout 0.2
symbols           symbols   --tokens symbols --cell lstm
members           book      --members 2 --cell lstm --output-dropout 0.3
members-through   book      --members 3 --backprop-windows 2 --embedding none --embedding-size 128 \
                            --output-dropout 0
"""

FORECAST = """
point               load      --error absolute
point-recursive     load      --strategy recursive
calibrated          load      --calibrate on --validation 40 --quantile-levels 0.2 --quantile-levels 0.5 \
                              --quantile-levels 0.8
one-member          load      --members 1 --cell lstm --layers 2 --error squared
gaussian            load      --output gaussian --cell rnn --members 3
gaussian-recursive  load      --output gaussian --strategy recursive --loss-at last
studentt            load      --output studentt --layer-norm --output-dropout 0.1
studentt-recursive  load      --output studentt --strategy recursive --level absolute --calendar none
quantiles           load      --output quantiles
quantiles-three     load      --output quantiles --quantile-levels 0.1 --quantile-levels 0.5 \
                              --quantile-levels 0.8 --strategy recursive
quantiles-carried   load      --output quantiles --strategy recursive --cell mgu --level relative
lognormal           load      --output lognormal --strategy direct
lognormal-recursive load      --output lognormal --strategy recursive --residual on
logarithms          load      --transform log --scale pooled
from-0              load      --transform nonnegative
roots               load      --transform sqrt --output gaussian --strategy recursive
powers              weather   --target sun --target rain --future warm --transform boxcox \
                              --transform none --output studentt
ones                switches  --target fan --target pump --id house --output bernoulli --horizon 2
ones-at-once        switches  --target fan --target pump --id house --output bernoulli --horizon 2 \
                              --strategy direct
poisson             visits    --output poisson --horizon 2
poisson-recursive   visits    --output poisson --horizon 2 --strategy recursive
negbinomial         visits    --output negbinomial --horizon 2
negbinomial-fed     visits    --output negbinomial --horizon 2 --strategy recursive
replaced            load      --strategy recursive --residual off --season 24 --learn-initial-state
season              load      --season 24 --learn-initial-state --calendar none
counts              counts    --strategy recursive --output gaussian --validation 20 --test 30
direct-counts       counts    --output gaussian --validation 20 --test 30
known               weather   --target sun --target rain --future warm --output gaussian
known-recursive     weather   --target sun --target rain --future warm --output gaussian --strategy recursive
past                ahead     --target sun --past wind --future warm
past-next           weather   --target sun --target rain --past wind --horizon 1 --gaps zero
past-next-recursive weather   --target sun --target rain --past wind --horizon 1 --gaps zero \
                              --strategy recursive --level absolute --level relative
shops               shops     --target sales --id shop --time day --dropout 0.1 --layers 2 --identity 3
shops-holidays      shops     --target sales --id shop --holidays DE --scale window
shops-own           shops     --target sales --id shop --scale series --output gaussian
branches            branches  --target sales --id shop --static town --static size
shops-recursive     shops     --target sales --id shop --output gaussian --strategy recursive --cell lstm \
                              --peephole
holes-forward       holes     --target load --gaps forward --past rate
holes-zero          holes     --target load --target rate --gaps zero --output gaussian
holes-mask          holes     --target load --target rate --gaps mask --cell lstm --output studentt
holes-recursive     holes     --target load --target rate --gaps mask --strategy recursive --output studentt
months              months    --gaps mask --output gaussian --horizon 2 --window 6
ticks-sum           ticks     --id id --resample 1h --skip-series --aggregate sum --output gaussian
ticks-last          ticks     --id id --resample 1h --skip-series --aggregate last --strategy recursive \
                              --cell lstm
ticks-first         ticks     --id id --resample 1h --skip-series --aggregate first
ticks-min           ticks     --id id --resample 1h --skip-series --aggregate min --output quantiles
ticks-max           ticks     --id id --resample 60min --skip-series --aggregate max --layers 2
meters              meters    --wide columns --output gaussian --strategy recursive
rivers              rivers    --wide rows
zone                load      --zone Europe/Berlin --date-format day-first --decimal point --gaps forward \
                              --zoneout 0.1
learned             counts    --learn-initial-state --cell lstm --projection 3 --keep-every 4 --bias off
before              counts    --cell gru --reset-after off --recurrent-dropout 0.1
coupled             counts    --cell lstm --coupled-input-forget --layers 2 --dropout 0.2 --zoneout 0.1 \
                              --decimal comma
blocks              counts    --cell lstm --cells-per-block 2 --hidden 6 --output quantiles
relu                counts    --strategy recursive --cell rnn --nonlinearity relu --layers 3 --output gaussian
"""

TRANSCRIBE = """
table             spelt
forward           spelt     --bidirectional off --cell lstm --layers 2
subsampled        spelt     --subsample 3 --bidirectional off
subsampled-both   spelt     --subsample 2 --merge mean --noise 0.1 --time-mask 0.1 --feature-mask 0.1
no-bigram         spelt     --lm-order 0 --decoder greedy
trigram           spelt     --lm-order 3 --lm-text text.txt --lm-weight 0.4 --label-bonus 0.2
lexicon           spelt     --lexicon lexicon.txt --beam 5 --bidirectional off
words             spelt     --tokens words --cell mgu
words-lexicon     spelt     --tokens words --lexicon lexicon.txt --input-dropout 0.1 --output-dropout 0.1
symbols           spelt     --tokens symbols
named             spelt     --id id --time step --target transcript --features u --features v --cell rnn
zoned             spelt     --cell lstm --zoneout 0.1 --bidirectional off --subsample 2 --learn-initial-state
recordings        spoken    --subsample 2 --mels 8 --level recording --scale sequence
recordings-running spoken   --mels 8 --bidirectional off --level running --scale running
recordings-loud   spoken    --mels 8 --level none --align off ; predict {file} --piece-seconds 0.3
recordings-pooled spoken    --mels 8 --scale pooled --augment off
recordings-pieces spoken    --mels 8 --piece-seconds 0.2 --decoder beam ; predict {file} --lm-order 1
hmm               called    --hmm --states 1 --silence off ; predict {file} --lm-weight 0.7
hmm-silence       spelt     --hmm --states 2 --silence on --bidirectional off --realign 1
members           spelt     --members 2 --subsample 2 --bidirectional off --output-dropout 0.2
hmm-members       spelt     --members 2 --hmm --states 1
hmm-recordings    spoken    --hmm --states 1 --mels 8 --cell lstm ; predict {file} --piece-seconds 0.2
"""

TRANSLATE = """
dot               letters
additive          letters   --attention additive --cell lstm
none              letters   --attention none
sized             letters   --attention dot --attention-size 3
additive-sized    letters   --target-tokens bpe --attention additive --attention-size 4
lstm-gru          letters   --cell lstm --decoder-cell gru
rnn-lstm          letters   --cell rnn --decoder-cell lstm
gru-mgu           letters   --source-tokens bpe --decoder-cell mgu --decoder-hidden 7
layers            letters   --layers 2 --decoder-layers 3
forward           letters   --bidirectional off --layer-norm
none-layers       letters   --attention none --layers 2
merged            letters   --merge sum --peephole --cell lstm
scheduled         letters   --scheduled-sampling 0.5
warmed            letters   --scheduled-sampling 0.9 --sampling-epochs 2 --cell lstm --input-dropout 0
decoder-rnn       letters   --decoder-cell rnn --decoder-dropout 0 --source-most-symbols 4 \
                            --target-least-count 2
learned           letters   --learn-initial-state --layers 2 --cell lstm --projection 3 --attention additive
mgu-norm          letters   --cell mgu --layer-norm --backward-hidden 4 --recurrent-dropout 0.1
before            letters   --reset-after off --variational-dropout 0.2 --keep-every 3 --layers 2 \
                            --dropout 0.1
drawn             letters   --sample --temperature 0.7 --top-k 4 --best 2
smoothed          letters   --label-smoothing 0.1
unread            letters   --character-dropout 0.2
words             sentences --source-tokens words --target-tokens words --word-dropout 0.1 \
                            --min-length 2 --no-repeat 2 --learn-initial-state
words-cut         sentences --source-tokens words --target-tokens words \
                            --source-least-count 2 --target-most-symbols 9 --reverse --bidirectional off
members           letters   --members 2 --scheduled-sampling 0.5 --cell lstm
symbols           sentences --source-tokens symbols --target-tokens symbols --zoneout 0.1
"""

CAPTION = """
pictures          pictures
attention         pictures  --attention additive --channels grey --cell lstm
stages            pictures  --stages 2 --attention dot --condition state --image-size 12x10
no-attention      pictures  --attention none --condition input --decoder-cell lstm --decoder-layers 2
rows              pictures  --encoder rows --bidirectional --attention dot
rows-state        pictures  --encoder rows --condition state --attention none --cell mgu --tokens characters
rows-layers       pictures  --encoder rows --layers 2 --cell lstm --condition input --learn-initial-state
points            points    --condition input --beam 2
members           pictures  --members 2 --attention additive
points-state      points    --features u --condition state --cell lstm --tokens bpe --most-symbols 270
sized             pictures  --attention additive --attention-size 3 --decoder-hidden 7 \
                            --decoder-cell gru --cell lstm
encoded           pictures  --encoder convolution --image image --target caption --decoder-cell mgu --layers 2
writer-rnn        pictures  --encoder rows --decoder-cell rnn --reverse --layer-norm --cell gru \
                            --least-count 2
limits            pictures  --min-length 2 --no-repeat 2 --length-penalty 0.7 --best 2 --beam 3 \
                            --peephole --cell lstm
drawn             pictures  --sample --temperature 0.7 --top-p 0.9 --sample-seed 4 --zoneout 0.1
points-numbers    points    --features u --features v --condition both --decoder-dropout 0.2 --tokens symbols
classes           points    --given class --target caption --cell rnn --bias off
strokes           strokes   --id id --time step --given class --target x --target y
strokes-gaussian  strokes   --id id --given class --target x --target y --output gaussian --cell lstm
strokes-members   strokes   --id id --given class --target x --target y --members 2 --output gaussian
strokes-state     strokes   --id id --given class --target x --target y --condition state --noise 0
strokes-input     strokes   --id id --given class --target x --target y --condition input --decoder-layers 2
"""


class Run(NamedTuple):
    """`asked`: commands beside those of every run, {file} in place of the file's path."""

    task: str
    file: str
    options: list[str]
    asked: list[list[str]]


def _runs(task: str, lines: str) -> dict[str, Run]:
    made = {}
    for line in lines.strip().splitlines():
        about, *asked = line.split(";")
        name, file, *options = about.split()
        commands = [*ASKED.get(task, ()), *asked]
        made[f"{task}-{name}"] = Run(
            task, file, USUAL[task].split() + options, [one.split() for one in commands]
        )
    return made


RUNS = {
    **_runs("classify", CLASSIFY),
    **_runs("regress", REGRESS),
    **_runs("tag", TAG),
    **_runs("language", LANGUAGE),
    **_runs("forecast", FORECAST),
    **_runs("detect", DETECT),
    **_runs("transcribe", TRANSCRIBE),
    **_runs("translate", TRANSLATE),
    **_runs("caption", CAPTION),
    **_runs("template", "plain waves"),
}
