"""`python -m unrolled.runtime MODEL`, which is `unrolled stream MODEL`: needs numpy alone."""

from unrolled.streaming.command import main

if __name__ == "__main__":
    main()
