"""What is measured: programs that each do one thing once, and print as their last line what it took.

They find their servers in the environment variables of the product. Those that run in the peers' virtual environment
use nothing but that environment, the standard library and `said`.
"""
