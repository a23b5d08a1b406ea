"""What bnexp is measured against: each module makes one program that trains the same networks."""
